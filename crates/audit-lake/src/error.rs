//! Errors by what the caller does next; the detail is in the fields.

use object_store::path::Path;

use crate::{TableName, TenantId, retry};

/// The result of the crate's operations.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong with a lake.
///
/// Paths are relative to the lake's root and never hold a credential.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// What was given cannot be used: change it.
    #[error("{message}")]
    InvalidInput {
        /// What is wrong with it and what would be right.
        message: String,
    },
    /// The lake or an object in it does not exist.
    #[error("{what} does not exist")]
    NotFound {
        /// The URL or the path.
        what: String,
    },
    /// Another writer was first, again and again: try later.
    #[error(
        "other writers kept committing to `{table}` of tenant {tenant}: gave up after {attempts} attempts"
    )]
    Conflict {
        /// Whose table.
        tenant: TenantId,
        /// Which table.
        table: TableName,
        /// How often the commit was tried.
        attempts: u32,
    },
    /// What the lake holds is not what this crate writes: a person has to look.
    #[error("`{path}` is corrupt: {message}")]
    Corrupt {
        /// The object.
        path: String,
        /// What is wrong with it.
        message: String,
    },
    /// The object store did not do it, and retries did not help: try later.
    #[error("could not {operation} `{path}`: {source}")]
    Unavailable {
        /// What was tried.
        operation: &'static str,
        /// The object or prefix.
        path: String,
        /// What the store said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A defect of this crate: report it.
    #[error("internal error: {message}")]
    Internal {
        /// What was not as it has to be.
        message: String,
    },
}

impl Error {
    #[cold]
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::InvalidInput {
            message: message.into(),
        }
    }

    #[cold]
    pub(crate) fn corrupt(path: &Path, message: impl ToString) -> Self {
        Self::Corrupt {
            path: path.to_string(),
            message: message.to_string(),
        }
    }

    /// What an error of the Parquet reader on a data file means: the store's, or the file is damaged.
    #[cold]
    pub(crate) fn parquet(path: &Path, source: parquet::errors::ParquetError) -> Self {
        match source {
            parquet::errors::ParquetError::External(source) => match source.downcast::<Self>() {
                Ok(store_error) => *store_error,
                Err(source) => Self::corrupt(path, source),
            },
            source => Self::corrupt(path, source),
        }
    }

    #[cold]
    pub(crate) fn internal(message: impl ToString) -> Self {
        Self::Internal {
            message: message.to_string(),
        }
    }

    /// What a store's error on `path` means for the caller.
    #[cold]
    pub(crate) fn store(operation: &'static str, path: &Path, source: object_store::Error) -> Self {
        match source {
            object_store::Error::NotFound { .. } => Self::NotFound {
                what: path.to_string(),
            },
            object_store::Error::NotSupported { .. }
            | object_store::Error::NotImplemented { .. }
            | object_store::Error::UnknownConfigurationKey { .. } => Self::InvalidInput {
                message: format!("the object store cannot {operation} `{path}`: {source}"),
            },
            object_store::Error::Generic { store, source } => match source.downcast::<Self>() {
                Ok(ours) => *ours,
                Err(source) => {
                    let source = object_store::Error::Generic { store, source };
                    Self::unavailable(operation, path, source)
                }
            },
            source => Self::unavailable(operation, path, source),
        }
    }

    fn unavailable(operation: &'static str, path: &Path, source: object_store::Error) -> Self {
        Self::Unavailable {
            operation,
            path: path.to_string(),
            source: source.into(),
        }
    }

    /// Whether doing the same again may succeed.
    pub(crate) fn is_transient(&self) -> bool {
        let Self::Unavailable { source, .. } = self else {
            return false;
        };
        let source = source.downcast_ref::<object_store::Error>();
        source.is_none_or(retry::is_transient)
    }
}
