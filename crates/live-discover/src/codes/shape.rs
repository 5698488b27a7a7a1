//! What of a file's footer a query needs that has all columns decoded already: a small part of it.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::{ParquetAccessPlan, RowGroupAccess};
use parquet::arrow::arrow_reader::RowSelection;
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};

/// The row groups and the columns of a file.
#[derive(Debug)]
pub(super) struct Shape {
    groups: Vec<Group>,
    /// Hashes of their names, in order: of two that have the same one is taken to be there, and the footer is asked.
    columns: Vec<u32>,
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
        let fields = schema.root_schema().get_fields().iter();
        let mut columns: Vec<u32> = fields.map(|field| hash(field.name())).collect();
        columns.sort_unstable();
        Self {
            groups: metadata.row_groups().iter().map(Group::of).collect(),
            columns,
        }
    }

    /// Bytes that it holds.
    pub(super) fn size(&self) -> usize {
        self.groups.capacity() * size_of::<Group>() + self.columns.capacity() * size_of::<u32>()
    }

    pub(super) fn has_column(&self, name: &str) -> bool {
        self.columns.binary_search(&hash(name)).is_ok()
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

fn hash(name: &str) -> u32 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(name) as u32
}
