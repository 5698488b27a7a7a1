//! Checks what a lake says of itself: files against the log, rows against their place, records
//! against each other, the ledger against the rows.
//!
//! Every file is read whole. Memory is that of the keys of one partition, or of a share of them
//! where a partition is large.

mod documents;
mod ledger;
mod records;

use std::sync::Arc;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use object_store::ObjectStoreExt;
use object_store::path::Path;
use parquet::arrow::ProjectionMask;
use parquet::arrow::async_reader::{
    AsyncFileReader, ParquetRecordBatchStream, ParquetRecordBatchStreamBuilder,
};
use parquet::file::metadata::ParquetMetaData;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::file_reader::FileReader;
use crate::keys::Canonical;
use crate::retry::{self, retry};
use crate::snapshot::{DataFile, Snapshot};
use crate::text_index::TextIndex;
use crate::{Lake, TableName, TenantId, actions, checkpoint, checksum, log, paths};

/// Something that is not as it has to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The object, or the partition's folder or the table's where no single one is concerned.
    pub path: Path,
    /// What is wrong, and how often where one sentence stands for many rows.
    pub message: String,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// No defect; there is something to do or to know.
    Note,
    /// An invariant of the lake is broken.
    Broken,
}

/// How far a verification has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// Whose table is at work.
    pub tenant: TenantId,
    /// Which table.
    pub table: TableName,
    /// Files of it that were checked.
    pub files: u64,
    /// Files that it has.
    pub files_total: u64,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let word = match self.severity {
            Severity::Note => "note",
            Severity::Broken => "broken",
        };
        write!(f, "{word}: `{}`: {}", self.path, self.message)
    }
}

impl Lake {
    /// Checks the tables of these tenants as they are now, and names what is wrong.
    ///
    /// Each data file is there, byte for byte what was written where the log has its hash, with the size, rows, order, partition and bounds that the log says,
    /// and can be read to its end. No record is there twice; variants of a key are numbered from 0.
    /// Files that maintenance takes away meanwhile are no finding: their rows are checked where they are then.
    /// The ledger's entries add up, and its rows and rejects are there. Networks, integrations and watches are JSON.
    /// `canonical` spells a record's content, as for [`append`](Self::append); `progress` is called after each file.
    ///
    /// # Errors
    /// If the store as a whole can't be read; an object that can't is a finding.
    pub async fn verify(
        &self,
        tenants: &[TenantId],
        canonical: Canonical,
        mut progress: impl FnMut(Verified) + Send,
    ) -> Result<Vec<Finding>> {
        let mut findings = Vec::new();
        documents::check(self, tenants, &mut findings).await?;
        for &tenant in tenants {
            // Of one type for the compiler, which else does not see that it may move to another thread.
            let verified: BoxFuture<'_, Result<()>> = self
                .verify_tables(tenant, canonical, &mut findings, &mut progress)
                .boxed();
            if let Err(error) = verified.await {
                let mut finding = self.finding(error).await?;
                finding.message += "; the tenant's tables are not checked beyond that";
                findings.push(finding);
            }
        }
        Ok(findings)
    }

    async fn verify_tables(
        &self,
        tenant: TenantId,
        canonical: Canonical,
        findings: &mut Vec<Finding>,
        progress: &mut (dyn FnMut(Verified) + Send),
    ) -> Result<()> {
        // The ledger first: what it says must be in the tables that were read after it.
        let content = self.snapshot(&tenant, TableName::Content).await?;
        let mut rejects = self.snapshot(&tenant, TableName::Rejects).await?;
        let rows = AuditRows::of(self, tenant).await?;
        for snapshot in [&rows.audit, &content, &rejects].into_iter().flatten() {
            let mut check = Check::new(self, snapshot, findings, progress);
            check.check_log().await?;
        }
        if let Some(audit) = &rows.audit {
            let mut check = Check::new(self, audit, findings, progress);
            records::check(&mut check, canonical).await?;
        }
        let ledger = match &content {
            Some(content) => {
                let mut check = Check::new(self, content, findings, progress);
                let ledger = ledger::read_entries(&mut check, rows).await?;
                if check.is_renewed {
                    rejects = self.snapshot(&tenant, TableName::Rejects).await?;
                }
                ledger
            }
            None => {
                if let Some(audit) = rows.audit.filter(|audit| audit.rows() > 0) {
                    let mut check = Check::new(self, &audit, findings, progress);
                    check.unaccounted(0, audit.rows());
                }
                ledger::RejectsBySource::default()
            }
        };
        if let Some(rejects) = &rejects {
            let mut check = Check::new(self, rejects, findings, progress);
            ledger::check_rejects(&mut check, ledger).await?;
        } else if let Some(content) = &content {
            let mut check = Check::new(self, content, findings, progress);
            ledger::report_missing(&mut check, ledger);
        }
        Ok(())
    }

    /// An object that can't be read is a finding; a store that has nothing else to give either ends the verification.
    async fn finding(&self, error: Error) -> Result<Finding> {
        let (path, message) = match error {
            Error::Corrupt { path, message } => (path, message),
            Error::Unavailable { path, source, .. } if self.is_there().await => {
                (path, format!("cannot be read: {source}"))
            }
            error => return Err(error),
        };
        Ok(Finding {
            severity: Severity::Broken,
            path: Path::parse(&path).unwrap_or_else(|_| Path::from(path)),
            message,
        })
    }
}

/// The rows that a ledger accounts for.
struct AuditRows {
    audit: Option<Arc<Snapshot>>,
    /// Rows that have left the table; the ledger has them still.
    expired: u64,
}

impl AuditRows {
    async fn of(lake: &Lake, tenant: TenantId) -> Result<Self> {
        let audit = lake.snapshot(&tenant, TableName::Audit).await?;
        let expired = match &audit {
            Some(audit) => log::log_facts(lake, audit).await?.rows_expired,
            None => 0,
        };
        Ok(Self { audit, expired })
    }
}

/// The check of one table.
struct Check<'a> {
    lake: &'a Lake,
    snapshot: Arc<Snapshot>,
    findings: &'a mut Vec<Finding>,
    progress: &'a mut (dyn FnMut(Verified) + Send),
    files: u64,
    /// Files of the snapshot that do not exist were compacted away, or have expired; this state has not.
    overtaken_by: Option<Arc<Snapshot>>,
    /// Whether the snapshot is a newer one than was given.
    is_renewed: bool,
}

/// Where the check of a part of a table, or of all of it, began.
struct Beginning {
    times: u32,
    findings: usize,
    files: u64,
}

/// How often the check of a part begins again because maintenance was faster.
const BEGINNINGS_MAX: u32 = 5;

/// Commits read at a time.
const COMMITS_MAX: usize = 32;

type Stream = ParquetRecordBatchStream<FileReader>;

impl<'a> Check<'a> {
    fn new(
        lake: &'a Lake,
        snapshot: &Arc<Snapshot>,
        findings: &'a mut Vec<Finding>,
        progress: &'a mut (dyn FnMut(Verified) + Send),
    ) -> Self {
        Self {
            lake,
            snapshot: Arc::clone(snapshot),
            findings,
            progress,
            files: 0,
            overtaken_by: None,
            is_renewed: false,
        }
    }

    fn begin(&self) -> Beginning {
        Beginning {
            times: 1,
            findings: self.findings.len(),
            files: self.files,
        }
    }

    /// Whether what was checked since then has to be checked again, on the newest state: files of it were compacted away
    /// meanwhile.
    fn begins_again(&mut self, beginning: &mut Beginning) -> bool {
        let Some(newest) = self.overtaken_by.take() else {
            return false;
        };
        if beginning.times == BEGINNINGS_MAX {
            let what = "maintenance took files away again and again while they were verified: some rows were not checked";
            self.find(Severity::Note, &self.root(), what);
            return false;
        }
        beginning.times += 1;
        self.findings.truncate(beginning.findings);
        self.files = beginning.files;
        self.snapshot = newest;
        self.is_renewed = true;
        true
    }

    /// Names the commits and checkpoints that can't be read, also those that the state of the table does not need.
    async fn check_log(&mut self) -> Result<()> {
        let store = self.lake.store();
        let store = &store;
        let objects = log::log_objects(store, &self.root()).await?;
        let commits = objects.iter().map(|object| object.location.clone());
        let commits: Vec<Path> = commits
            .filter(|path| paths::version_of_file(path).is_some())
            .collect();
        let mut read = futures::stream::iter(commits)
            .map(|path| async move {
                let text = retry::read(store.as_ref(), &path).await;
                (path, text)
            })
            .buffered(COMMITS_MAX);
        while let Some((path, text)) = read.next().await {
            let text = match text {
                Ok(text) => text,
                Err(error) => {
                    self.findings.push(self.lake.finding(error).await?);
                    continue;
                }
            };
            let Some(text) = text else { continue };
            if actions::is_nothing(&text) {
                let what = "is a commit without an action, cut off when it was written: what it had to say is not in the table";
                self.broken(&path, what);
            } else if let Err(Error::Corrupt { message, .. }) = actions::from_lines(&path, &text) {
                let what = "is damaged. The table was read without it, as a checkpoint has what it said: restore it from a copy of \
                            the lake, or delete it";
                self.broken(&path, format!("{what} ({message})"));
            }
        }
        for object in objects
            .iter()
            .filter(|object| paths::is_checkpoint(&object.location))
        {
            match checkpoint::damage(store, object).await {
                Ok(None) => {}
                Ok(Some(message)) => {
                    let what = "is a checkpoint that can't be read. It is passed over, as other parts of the log say the same, but \
                                other programs may not: delete it and `_last_checkpoint`";
                    self.find(
                        Severity::Note,
                        &object.location,
                        format!("{what} ({message})"),
                    );
                }
                Err(error) => self.findings.push(self.lake.finding(error).await?),
            }
        }
        Ok(())
    }

    fn find(&mut self, severity: Severity, path: &Path, message: impl Into<String>) {
        self.findings.push(Finding {
            severity,
            path: path.clone(),
            message: message.into(),
        });
    }

    fn broken(&mut self, path: &Path, message: impl Into<String>) {
        self.find(Severity::Broken, path, message);
    }

    /// The table's folder.
    fn root(&self) -> Path {
        crate::paths::table_root(self.snapshot.tenant(), self.snapshot.table())
    }

    fn file_done(&mut self) {
        self.files += 1;
        (self.progress)(Verified {
            tenant: self.snapshot.tenant(),
            table: self.snapshot.table(),
            files: self.files,
            files_total: self.files.max(self.snapshot.files().len() as u64),
        });
    }

    /// Says that rows were added that the ledger does not know of.
    fn unaccounted(&mut self, accounted: u64, rows: u64) {
        let lacking = rows.saturating_sub(accounted);
        self.find(
            Severity::Note,
            &self.root(),
            format!(
                "the ledger accounts for {accounted} rows and the table has {lacking} more, those that expired included: from an ingest that was interrupted or ran beside another, or, by an older program, from what was ingested again after it had expired. Ingest again what was interrupted. Should {lacking} rows or fewer be lost, this would not tell"
            ),
        );
    }

    /// Whether the file has the rows that the log says.
    fn check_rows(&mut self, file: &DataFile, rows: u64) {
        let of_log = file.rows;
        if rows == of_log {
            return;
        }
        if lacks_statistics(file) {
            let what = "another program added it without statistics: queries read it whole, and the tools count no row of it";
            self.find(Severity::Note, &file.path, what);
        } else {
            self.broken(&file.path, format!("has {rows} rows, by the log {of_log}"));
        }
    }

    /// Whether the file is there with the size and, where the log has one, the hash that the log says.
    async fn is_whole(&mut self, file: &DataFile) -> Result<bool> {
        let store = self.lake.store();
        let head = retry(|| async {
            let head = store.head(&file.path).await;
            head.map_err(|source| Error::store("read", &file.path, source))
        });
        match head.await {
            Ok(head) if head.size == file.size_bytes => self.has_hash(file).await,
            Ok(head) => {
                self.broken(
                    &file.path,
                    format!(
                        "is {} bytes long, by the log {}",
                        head.size, file.size_bytes
                    ),
                );
                Ok(false)
            }
            Err(Error::NotFound { .. }) => {
                self.missing(file).await?;
                Ok(false)
            }
            Err(error) => {
                self.findings.push(self.lake.finding(error).await?);
                Ok(false)
            }
        }
    }

    /// A file that does not exist: a finding, if the newest state of the table has it still.
    async fn missing(&mut self, file: &DataFile) -> Result<()> {
        let (tenant, table) = (self.snapshot.tenant(), self.snapshot.table());
        let newest = match self.lake.snapshot(&tenant, table).await? {
            Some(newest) => newest,
            None => Arc::new(Snapshot::new(tenant, table, 0, Vec::new())),
        };
        if newest.files().iter().any(|other| other.path == file.path) {
            self.broken(&file.path, "is in the log but does not exist");
        } else {
            self.overtaken_by = Some(newest);
        }
        Ok(())
    }

    async fn has_hash(&mut self, file: &DataFile) -> Result<bool> {
        let Some(expected) = file.sha256 else {
            return Ok(true);
        };
        let mut reader = FileReader::new(&self.lake.store(), file);
        let mut hasher = Sha256::new();
        let mut at = 0;
        while at < file.size_bytes {
            let end = file.size_bytes.min(at + HASHED_BYTES);
            let part = reader.get_bytes(at..end).await;
            let Some(part) = self.read(file, part).await? else {
                return Ok(false);
            };
            hasher.update(&part);
            at = end;
        }
        let is_whole = <[u8; 32]>::from(hasher.finalize()) == expected;
        if !is_whole {
            self.broken(&file.path, checksum::DAMAGED);
        }
        Ok(is_whole)
    }

    /// The file's rows, all columns or those of `names`; `None` and a finding when it can't be opened.
    async fn open(&mut self, file: &DataFile, names: Option<&[&str]>) -> Result<Option<Stream>> {
        let reader = FileReader::new(&self.lake.store(), file);
        let builder = ParquetRecordBatchStreamBuilder::new(reader).await;
        let Some(builder) = self.read(file, builder).await? else {
            return Ok(None);
        };
        let schema = builder.parquet_schema();
        let mask = match names {
            Some(names) => ProjectionMask::columns(schema, names.iter().copied()),
            None => {
                self.has_index(file, builder.metadata());
                ProjectionMask::all()
            }
        };
        let stream = builder
            .with_projection(mask)
            .with_batch_size(BATCH_ROWS)
            .build();
        self.read(file, stream).await
    }

    /// Whether the log, where it names the file's index of texts, says the same as the footer: an index that is read from
    /// elsewhere would hide rows.
    fn has_index(&mut self, file: &DataFile, footer: &ParquetMetaData) {
        let of_log = file.text_index.as_deref();
        if of_log.is_some() && of_log != TextIndex::of(footer).as_ref() {
            self.broken(&file.path, "has its index of texts elsewhere, by the log");
        }
    }

    /// What was read of the file; `None` and a finding when it is damaged.
    async fn read<T>(
        &mut self,
        file: &DataFile,
        read: parquet::errors::Result<T>,
    ) -> Result<Option<T>> {
        match read.map_err(|e| Error::parquet(&file.path, e)) {
            Ok(read) => Ok(Some(read)),
            Err(Error::Corrupt { message, .. }) => {
                self.broken(&file.path, format!("cannot be read: {message}"));
                Ok(None)
            }
            Err(Error::NotFound { .. }) => {
                self.missing(file).await?;
                Ok(None)
            }
            Err(error) => {
                self.findings.push(self.lake.finding(error).await?);
                Ok(None)
            }
        }
    }
}

/// Whether the log may not know how many rows the file has, as of one that another program added.
fn lacks_statistics(file: &DataFile) -> bool {
    file.rows == 0 && file.sha256.is_none()
}

/// Bytes hashed at a time.
const HASHED_BYTES: u64 = 8 << 20;

/// Rows read at a time: records run to megabytes.
const BATCH_ROWS: usize = 1024;

/// Counts what is wrong with rows of a file in one way, and remembers the first.
#[derive(Debug, Default)]
struct Tally {
    rows: u64,
    first: Option<(u64, String)>,
}

impl Tally {
    fn add(&mut self, row: u64, what: impl FnOnce() -> String) {
        self.rows += 1;
        if self.first.is_none() {
            self.first = Some((row, what()));
        }
    }

    fn report(self, check: &mut Check<'_>, path: &Path) {
        self.report_as(Severity::Broken, check, path);
    }

    fn report_as(self, severity: Severity, check: &mut Check<'_>, path: &Path) {
        if let Some((row, what)) = self.first {
            let others = match self.rows - 1 {
                0 => String::new(),
                others => format!(" (and {others} more)"),
            };
            check.find(severity, path, format!("row {row}: {what}{others}"));
        }
    }
}
