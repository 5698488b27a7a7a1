//! Variables: `$$name$$` in a query's text, and the values that take their place.
//!
//! A value never becomes SQL. The text is cut into tokens first, with the variables in it; then each is replaced by
//! the token of a literal, or by text inside the token of the string that it stands in. No tokeniser sees the value,
//! so nothing in it can end a string, begin a comment or add a word.
//!
//! | where it stands | what takes its place |
//! |---|---|
//! | bare: `>= $$n$$` | a literal of the variable's type |
//! | in a string: `LIKE '%$$name$$%'`, `interval '$$n$$' day` | the value's text, inside the same string |
//! | a list, in `IN ($$users$$)` | one literal for each value; elsewhere an array of them |
//! | in `[[ … ]]` | the clause falls away if a variable of it is empty |
//! | in a comment | nothing |
//! | in a quoted name | an error: a value is no name |

mod bind;
mod value;

use std::collections::BTreeMap;

use audit_schema::Variable;

pub(crate) use bind::{Binding, bind};

/// The values of a request's variables, and what is known of these.
#[derive(Debug, Clone, Default)]
pub(crate) struct Variables {
    /// Those that the query declares; others are typed by what their values look like.
    pub(crate) declared: Vec<Variable>,
    /// By name. Empty: explicitly no value.
    pub(crate) given: BTreeMap<String, Vec<String>>,
}
