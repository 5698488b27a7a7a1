//! Clauses that fall away where a variable is empty.

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

/// Variables up to a token, and those of them that have no value.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Uses {
    pub(super) all: usize,
    pub(super) empty: usize,
}

/// Which tokens fall away: clauses in `[[ … ]]` with an empty variable, and the brackets of the others with one.
pub(super) fn dropped(tokens: &[TokenWithSpan], uses: &[Uses]) -> Vec<bool> {
    let mut closing = vec![None; tokens.len()];
    let mut open = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        match token.token {
            Token::LBracket => open.push(index),
            Token::RBracket => {
                if let Some(start) = open.pop() {
                    closing[start] = Some(index);
                }
            }
            _ => {}
        }
    }
    let mut dropped = vec![false; tokens.len()];
    let mut next = 0;
    for start in 0..tokens.len() {
        let inner = closing.get(start + 1).copied().flatten();
        // Two brackets opened side by side, and closed side by side.
        let (Some(outer), Some(inner)) = (closing[start], inner) else {
            continue;
        };
        let (before, after) = (uses[start], uses[outer]);
        if start < next || inner + 1 != outer || before.all == after.all {
            continue;
        }
        if before.empty == after.empty {
            for bracket in [start, start + 1, inner, outer] {
                dropped[bracket] = true;
            }
        } else {
            dropped[start..=outer].fill(true);
            next = outer;
        }
    }
    dropped
}
