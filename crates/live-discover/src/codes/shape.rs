//! What of a file's footer a query needs that has all columns decoded already: a small part of it.

use std::hash::BuildHasher;
use std::ops::Range;
use std::sync::LazyLock;

use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::{ParquetAccessPlan, RowGroupAccess};
use hashbrown::DefaultHashBuilder;
use parquet::arrow::arrow_reader::RowSelection;
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::schema::types::ColumnDescPtr;

/// The row groups and the columns of a file.
#[derive(Debug)]
pub(super) struct Shape {
    groups: Vec<Group>,
    /// In the order of their hashes.
    columns: Vec<Column>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Column {
    /// Of its name: of two columns that have the same one is taken to be there, and the footer is asked.
    hash: u32,
    /// The first of its leaves.
    leaf: u32,
}

#[derive(Debug, Clone, Copy)]
struct Group {
    rows: usize,
    /// Where in the file its first column begins.
    start: i64,
}

impl Shape {
    pub(super) fn of(metadata: &ParquetMetaData) -> Self {
        let schema = metadata.file_metadata().schema_descr();
        let mut columns: Vec<Column> = Vec::new();
        let mut root = None;
        for (leaf, column) in (0..).zip(schema.columns()) {
            let name = column.path().parts().first();
            if root != name {
                let hash = name.map_or(0, |name| hash(name));
                columns.push(Column { hash, leaf });
                root = name;
            }
        }
        columns.sort_unstable();
        columns.shrink_to_fit();
        Self {
            groups: metadata.row_groups().iter().map(Group::of).collect(),
            columns,
        }
    }

    /// Bytes that it holds.
    pub(super) fn size(&self) -> usize {
        self.groups.capacity() * size_of::<Group>() + self.columns.capacity() * size_of::<Column>()
    }

    pub(super) fn has_column(&self, name: &str) -> bool {
        let hash = hash(name);
        let found = (self.columns).binary_search_by_key(&hash, |column| column.hash);
        found.is_ok()
    }

    /// Where a column is among the leaves of `metadata`, which is the file's: one after the other, none if the file lacks
    /// it.
    pub(super) fn leaves(&self, metadata: &ParquetMetaData, name: &str) -> Range<usize> {
        let leaves = metadata.file_metadata().schema_descr().columns();
        let hash = hash(name);
        let first = (self.columns).partition_point(|column| column.hash < hash);
        let same = self.columns[first..].iter();
        let same = same.take_while(|column| column.hash == hash);
        let of_name = same.map(|column| {
            let start = column.leaf as usize;
            let behind = leaves.get(start..).unwrap_or_default().iter();
            start..start + behind.take_while(|leaf| is_of(leaf, name)).count()
        });
        let mut of_name = of_name.filter(|found| !found.is_empty());
        of_name.next().unwrap_or(0..0)
    }

    /// Rows of a row group.
    pub(super) fn rows(&self, group: usize) -> usize {
        self.groups.get(group).map_or(0, |group| group.rows)
    }

    /// The row groups that may have a row of this part of the file, and which of their rows these may be where that is
    /// known.
    pub(super) fn groups_of(&self, file: &PartitionedFile) -> Vec<(usize, Option<RowSelection>)> {
        let access = file.extension::<ParquetAccessPlan>();
        // One that is not of this file says nothing.
        let access = access.filter(|access| access.len() == self.groups.len());
        let groups = self.groups.iter().enumerate();
        let groups = groups.filter_map(|(number, group)| {
            if group.rows == 0 || !group.is_of_part(file) {
                return None;
            }
            match access.and_then(|access| access.inner().get(number)) {
                Some(RowGroupAccess::Skip) => None,
                Some(RowGroupAccess::Selection(rows)) => Some((number, Some(rows.clone()))),
                Some(RowGroupAccess::Scan) | None => Some((number, None)),
            }
        });
        groups.collect()
    }
}

impl Group {
    fn of(group: &RowGroupMetaData) -> Self {
        let start = group.columns().first();
        let start = start.map_or(0, |column| column.byte_range().0);
        Self {
            rows: usize::try_from(group.num_rows()).unwrap_or(0),
            start: i64::try_from(start).unwrap_or(i64::MAX),
        }
    }

    /// Whether it is of the part of its file that is to be read: the others are read with other parts.
    fn is_of_part(self, file: &PartitionedFile) -> bool {
        let part = file.range.as_ref();
        part.is_none_or(|part| (part.start..part.end).contains(&self.start))
    }
}

/// Whether a leaf is of a column.
fn is_of(leaf: &ColumnDescPtr, name: &str) -> bool {
    leaf.path().parts().first().is_some_and(|root| root == name)
}

fn hash(name: &str) -> u32 {
    static HASHER: LazyLock<DefaultHashBuilder> = LazyLock::new(DefaultHashBuilder::default);
    HASHER.hash_one(name) as u32
}
