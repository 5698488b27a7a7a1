//! Deleting what the lake has of a tenant.

use std::sync::PoisonError;

use futures::{StreamExt, TryStreamExt};
use object_store::ObjectStoreExt;
use object_store::path::Path;

use crate::error::{Error, Result};
use crate::retry::retry;
use crate::{DocumentKind, Lake, TenantId, paths};

/// Objects that are deleted at once.
const DELETES_MAX: usize = 16;

impl Lake {
    /// Deletes all that the lake has of a tenant, but one document: whoever deletes finds in it what is to be done,
    /// should it be interrupted, and [deletes](crate::Documents::delete) it last. For good: there is no way back.
    ///
    /// Nobody may write to the tenant's tables meanwhile. Other processes that have them open see errors until they
    /// open the lake again.
    ///
    /// # Errors
    ///
    /// What the store says. Some may have been deleted: do it again.
    pub async fn delete_tenant(
        &self,
        tenant: TenantId,
        kept_kind: DocumentKind,
        kept_name: &str,
    ) -> Result<()> {
        let kept = paths::document(tenant, kept_kind, kept_name);
        let root = paths::tenant_root(tenant);
        self.forget_tables(tenant);
        // Without its log a table is none: nobody reads of files that are gone.
        let is_log = |path: &Path| path.parts().any(|part| part.as_ref() == paths::DELTA_LOG);
        let (logs, others): (Vec<Path>, Vec<Path>) = (self.objects_below(&root).await?)
            .into_iter()
            .filter(|path| !path.prefix_matches(&kept))
            .partition(is_log);
        for paths in [logs, others] {
            futures::stream::iter(paths)
                .map(|path| async move { self.delete_object(&path).await })
                .buffer_unordered(DELETES_MAX)
                .try_collect::<()>()
                .await?;
        }
        self.forget_tables(tenant);
        Ok(())
    }

    fn forget_tables(&self, tenant: TenantId) {
        let mut tables = (self.tables())
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        tables.retain(|(of, _), _| *of != tenant);
    }

    async fn objects_below(&self, root: &Path) -> Result<Vec<Path>> {
        let store = self.store();
        retry(|| async {
            let objects = store.list(Some(root)).map_ok(|object| object.location);
            let objects: Result<Vec<Path>, _> = objects.try_collect().await;
            objects.map_err(|source| Error::store("list", root, source))
        })
        .await
    }

    async fn delete_object(&self, path: &Path) -> Result<()> {
        let store = self.store();
        retry(|| async {
            match store.delete(path).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
                Err(source) => Err(Error::store("delete", path, source)),
            }
        })
        .await
    }
}
