//! Categories and their queries: the bundled ones, and those that a host adds.

mod check;
mod enrichment;

use std::collections::BTreeMap;

use audit_lake::Lake;
use audit_schema::{Category, MICROSOFT_365_AUDIT, Query, ValueType, bundled_queries};
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectStoreExt, PutPayload};

pub use enrichment::{Enrichment, Link};

use crate::error::{Error, Result};
use crate::names;
use crate::request::Request;

/// The queries that people can pick, by category.
///
/// It begins with those of the category “Microsoft 365 audit data”. A host adds its own, also as changed copies of
/// ours; ours stay what they are. It is a value of the host's, no part of an engine: one for all tenants, or one for
/// each.
///
/// ```
/// use live_discover::Library;
///
/// let mut library = Library::new();
/// let mut copy = library.query("top_users").unwrap().clone();
/// copy.id = "top_users_of_ours".to_owned();
/// copy.name = "Our most active users".to_owned();
/// library.insert(copy)?;
///
/// // Bundled queries cannot be overwritten.
/// let ours = library.query("top_users").unwrap().clone();
/// assert!(library.insert(ours).is_err());
/// # Ok::<(), live_discover::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Library {
    categories: Vec<Category>,
    /// The host's, by identifier.
    queries: BTreeMap<String, Query>,
    enrichments: Vec<Enrichment>,
}

/// A query that takes a value, and the request that has it filled in.
#[derive(Debug, Clone)]
pub struct Pivot<'a> {
    /// The query.
    pub query: &'a Query,
    /// The variable that takes the value.
    pub variable: &'a str,
    /// The query with the value; other variables may still want theirs.
    pub request: Request,
}

/// Where a lake keeps the queries of its host.
const FOLDER: &str = "queries";
/// A text this long is no query.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Files that are read at once.
const READS_MAX: usize = 16;

impl Default for Library {
    fn default() -> Self {
        Self::new()
    }
}

impl Library {
    /// The bundled queries.
    pub fn new() -> Self {
        Self {
            categories: vec![MICROSOFT_365_AUDIT.clone()],
            queries: BTreeMap::new(),
            enrichments: Vec::new(),
        }
    }

    /// The bundled queries, and those that the host keeps in a lake.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidQuery`] with the file and the line of one that cannot be read; what the store says.
    pub async fn load(lake: &Lake) -> Result<Self> {
        let store = lake.store();
        let files = store
            .list(Some(&Path::from(FOLDER)))
            .try_filter(|file| std::future::ready(file.location.extension() == Some("sql")))
            .try_collect::<Vec<_>>()
            .await
            .map_err(unreadable)?;
        let texts: Vec<(String, String)> = futures::stream::iter(files)
            .map(|file| {
                let store = &store;
                async move {
                    let name = file.location.to_string();
                    if file.size > FILE_BYTES_MAX {
                        return Err(Error::invalid(format!("`{name}` is too long for a query")));
                    }
                    let read = store.get(&file.location).await.map_err(unreadable)?;
                    let bytes = read.bytes().await.map_err(unreadable)?;
                    let text = String::from_utf8(bytes.into())
                        .map_err(|_| Error::invalid(format!("`{name}` is no UTF-8 text")))?;
                    Ok((name, text))
                }
            })
            .buffered(READS_MAX)
            .try_collect()
            .await?;
        let mut library = Self::new();
        for (file, text) in texts {
            library.insert(read(&file, &text)?)?;
        }
        Ok(library)
    }

    /// Keeps a query of the host's in a lake, in place of one with its identifier.
    ///
    /// # Errors
    ///
    /// What the store says.
    pub async fn save(lake: &Lake, query: &Query) -> Result<()> {
        let text = PutPayload::from(query.to_text().into_bytes());
        let saved = lake.store().put(&file_of(&query.id), text).await;
        saved.map(|_| ()).map_err(|error| Error::Unavailable {
            message: format!("could not keep the query `{}`: {error}", query.id),
        })
    }

    /// Takes a query of the host's out of a lake.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if the lake has none; what the store says.
    pub async fn delete(lake: &Lake, id: &str) -> Result<()> {
        let file = file_of(id);
        let store = lake.store();
        // Local files and stores differ in whether deleting what is not there is an error.
        let outcome = match store.head(&file).await {
            Ok(_) => store.delete(&file).await,
            Err(error) => Err(error),
        };
        outcome.map_err(|error| match error {
            object_store::Error::NotFound { .. } => Error::NotFound {
                message: format!("the lake has no query `{id}` of its own"),
            },
            error => unreadable(error),
        })
    }

    /// All categories; see [`Session::categories`](crate::Session::categories) for those of a tenant.
    pub fn categories(&self) -> &[Category] {
        &self.categories
    }

    /// Adds a category, or renames one of the host's.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidQuery`] for the identifier of ours.
    pub fn add_category(&mut self, category: Category) -> Result<()> {
        if category.id == MICROSOFT_365_AUDIT.id {
            return Err(Error::invalid(format!(
                "the category `{}` is bundled and stays as it is",
                category.id
            )));
        }
        match self
            .categories
            .iter_mut()
            .find(|known| known.id == category.id)
        {
            Some(known) => *known = category,
            None => self.categories.push(category),
        }
        Ok(())
    }

    /// All queries: the bundled ones by theme, then the host's by identifier.
    pub fn queries(&self) -> impl Iterator<Item = &Query> {
        bundled_queries().iter().chain(self.queries.values())
    }

    /// The query with an identifier.
    pub fn query(&self, id: &str) -> Option<&Query> {
        bundled(id).or_else(|| self.queries.get(id))
    }

    /// The query with an identifier, or which one was probably meant.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidQuery`] if there is none.
    pub fn require(&self, id: &str) -> Result<&Query> {
        self.query(id).ok_or_else(|| Error::InvalidQuery {
            message: format!("no query `{id}`"),
            position: None,
            suggestion: names::closest(id, self.queries().map(|query| query.id.as_str()))
                .map(str::to_owned),
        })
    }

    /// Whether a query is one of ours, which cannot be changed.
    pub fn is_bundled(&self, id: &str) -> bool {
        bundled(id).is_some()
    }

    /// Adds a query, or replaces one of the host's. Its category comes into being if it is new.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidQuery`] if it has the identifier of a bundled one, or is not what its file form can hold.
    pub fn insert(&mut self, query: Query) -> Result<()> {
        if self.is_bundled(&query.id) {
            return Err(Error::invalid(format!(
                "the query `{}` is bundled and stays as it is: give yours another id",
                query.id
            )));
        }
        // Whatever a host has put together has to survive being written and read.
        match Query::parse(&query.to_text()) {
            Ok(read) if read == query => {}
            Ok(_) => {
                return Err(Error::invalid(format!(
                    "the query `{}` would be another one when its file is read: texts of its header are one line",
                    query.id
                )));
            }
            Err(error) => return Err(Error::invalid(format!("the query `{}`: {error}", query.id))),
        }
        if !(self.categories.iter()).any(|category| category.id == query.category) {
            self.categories.push(Category {
                id: query.category.clone().into(),
                name: query.category.clone().into(),
                description: "".into(),
            });
        }
        self.queries.insert(query.id.clone(), query);
        Ok(())
    }

    /// Takes out a query of the host's.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidQuery`] if there is none, or it is bundled.
    pub fn remove(&mut self, id: &str) -> Result<Query> {
        if self.is_bundled(id) {
            return Err(Error::invalid(format!(
                "the query `{id}` is bundled and stays"
            )));
        }
        self.queries
            .remove(id)
            .ok_or_else(|| Error::invalid(format!("no query `{id}`")))
    }

    /// The queries that take such a value, with the value filled in.
    pub fn pivots(&self, value: &str, value_type: ValueType) -> Vec<Pivot<'_>> {
        let pivots = self.queries().flat_map(|query| {
            let takes = |variable: &&audit_schema::Variable| variable.value_type == value_type;
            query.variables.iter().filter(takes).map(|variable| Pivot {
                query,
                variable: &variable.name,
                request: Request::of(query).with_variable(&variable.name, value),
            })
        });
        if value_type.is_pivot() && !value.is_empty() {
            pivots.collect()
        } else {
            Vec::new()
        }
    }

    /// Registers where more is to be had about a value; one of the same name is replaced.
    pub fn add_enrichment(&mut self, enrichment: Enrichment) {
        self.enrichments
            .retain(|known| known.name() != enrichment.name());
        self.enrichments.push(enrichment);
    }

    /// Where more is to be had about a value of a result.
    pub fn links(&self, value: &str, value_type: ValueType) -> Vec<Link> {
        self.enrichments
            .iter()
            .filter(|enrichment| enrichment.value_type() == value_type && !value.is_empty())
            .map(|enrichment| enrichment.link(value))
            .collect()
    }
}

/// Reads a query file; errors name it.
fn read(file: &str, text: &str) -> Result<Query> {
    Query::parse(text).map_err(|error| Error::invalid(format!("`{file}`, {error}")))
}

fn bundled(id: &str) -> Option<&'static Query> {
    bundled_queries().iter().find(|query| query.id == id)
}

fn file_of(id: &str) -> Path {
    Path::from(FOLDER).join(format!("{id}.sql"))
}

fn unreadable(error: object_store::Error) -> Error {
    Error::Unavailable {
        message: format!("could not read the lake's queries: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_add_change_and_remove_theirs_only() {
        let mut library = Library::new();
        let bundled = library.queries().count();
        let mut copy = library.query("top_users").unwrap().clone();
        copy.id = "mine".to_owned();
        copy.category = "ours".to_owned();
        library.insert(copy.clone()).unwrap();
        copy.name = "Renamed".to_owned();
        library.insert(copy).unwrap();
        assert_eq!(library.queries().count(), bundled + 1);
        assert_eq!(library.require("mine").unwrap().name, "Renamed");
        assert_eq!(library.categories().len(), 2);
        assert_eq!(
            library.require("mini").unwrap_err().to_string(),
            "no query `mini`; did you mean `mine`?"
        );
        assert_eq!(library.remove("mine").unwrap().id, "mine");
        for error in [
            library.remove("mine").unwrap_err(),
            library.remove("top_users").unwrap_err(),
            library
                .insert(library.query("top_users").unwrap().clone())
                .unwrap_err(),
            library
                .add_category(MICROSOFT_365_AUDIT.clone())
                .unwrap_err(),
        ] {
            assert!(matches!(error, Error::InvalidQuery { .. }), "{error}");
        }
    }

    #[test]
    fn a_query_that_its_file_cannot_hold_is_refused() {
        let mut library = Library::new();
        let query = library.query("top_users").unwrap();
        let with = |change: fn(&mut Query)| {
            let mut query = query.clone();
            query.id = "mine".to_owned();
            change(&mut query);
            query
        };
        let broken = [
            with(|query| query.id = "../mine".to_owned()),
            with(|query| query.name = "two\nlines".to_owned()),
            with(|query| {
                query
                    .sql
                    .push_str(" -- $$undeclared$$\n AND $$undeclared$$")
            }),
            with(|query| query.columns.clear()),
        ];
        for query in broken {
            assert!(library.insert(query.clone()).is_err(), "{query:?}");
        }
    }

    #[test]
    fn values_lead_to_queries() {
        let mut library = Library::new();
        let query = Query::parse(
            "-- id: of_user\n-- name: a\n-- description: b\n-- variable $$user$$ user: who\n-- column n: c\n\
             SELECT count(*) AS n FROM m365_audit WHERE user_id = $$user$$",
        )
        .unwrap();
        library.insert(query).unwrap();
        let pivots = library.pivots("ada@contoso.com", ValueType::User);
        let pivot = pivots
            .iter()
            .find(|pivot| pivot.query.id == "of_user")
            .unwrap();
        assert_eq!(pivot.variable, "user");
        assert_eq!(pivot.request.variables.given["user"], ["ada@contoso.com"]);
        assert!(
            library
                .pivots("ada@contoso.com", ValueType::Sha256)
                .is_empty()
        );
        assert!(library.pivots("text", ValueType::String).is_empty());
    }
}
