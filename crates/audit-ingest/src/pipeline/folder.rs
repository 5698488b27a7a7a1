//! The files of a folder, those of its folders included, whatever else lies there.

use std::collections::{BTreeSet, HashSet};
use std::fs::{Metadata, ReadDir};
use std::io;
use std::path::{MAIN_SEPARATOR, Path, PathBuf};

/// What lies in a folder, or was named itself.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) path: PathBuf,
    /// Its path below the folder, for people; `None`: it was named itself.
    pub(super) below: Option<String>,
    /// Its size in bytes if it is a file, else why it can't be read.
    pub(super) size_bytes: Result<u64, String>,
}

/// The files at a path, in no order. What is none, or can't be looked at, is there with the reason.
///
/// # Errors
/// If the path itself can't be looked at or listed.
pub(super) fn list(path: &Path) -> io::Result<Vec<Entry>> {
    let metadata = path.metadata()?;
    if !metadata.is_dir() {
        return Ok(vec![Entry {
            path: path.to_owned(),
            below: None,
            size_bytes: size_bytes(&metadata),
        }]);
    }
    let mut listing = Listing {
        root: path,
        found: Vec::new(),
        folders: Vec::new(),
        links: BTreeSet::new(),
    };
    let mut read = HashSet::from([path.canonicalize()?]);
    listing.add(path, path.read_dir()?);
    // Links wait until all else was looked at: a folder is read where it lies, if it lies here.
    while let Some(folder) = listing.folders.pop().or_else(|| listing.links.pop_first()) {
        let entries = folder.canonicalize().and_then(|place| {
            let is_new = read.insert(place);
            is_new.then(|| folder.read_dir()).transpose()
        });
        match entries {
            Ok(Some(entries)) => listing.add(&folder, entries),
            Ok(None) => listing.skip(folder, "a link to a folder that is read already".to_owned()),
            Err(error) => listing.skip(folder, not_listed(&error)),
        }
    }
    Ok(listing.found)
}

struct Listing<'a> {
    root: &'a Path,
    found: Vec<Entry>,
    /// Folders that are still to be looked at, and links to folders.
    folders: Vec<PathBuf>,
    links: BTreeSet<PathBuf>,
}

impl Listing<'_> {
    /// Adds what a folder holds.
    fn add(&mut self, folder: &Path, entries: ReadDir) {
        for entry in entries {
            let path = match entry {
                Ok(entry) => entry.path(),
                Err(error) => return self.skip(folder.to_owned(), not_listed(&error)),
            };
            match path.metadata() {
                Ok(metadata) if metadata.is_dir() && path.is_symlink() => {
                    self.links.insert(path);
                }
                Ok(metadata) if metadata.is_dir() => self.folders.push(path),
                Ok(metadata) => self.push(path, size_bytes(&metadata)),
                Err(error) => self.skip(path, format!("it can't be opened: {error}")),
            }
        }
    }

    fn skip(&mut self, path: PathBuf, why: String) {
        self.push(path, Err(why));
    }

    fn push(&mut self, path: PathBuf, size_bytes: Result<u64, String>) {
        let below = path.strip_prefix(self.root).unwrap_or(&path);
        // On one line, with the slashes of URLs.
        let below = (below.to_string_lossy())
            .replace(char::is_control, "\u{fffd}")
            .replace(MAIN_SEPARATOR, "/");
        self.found.push(Entry {
            below: Some(below),
            path,
            size_bytes,
        });
    }
}

/// A pipe, a socket or a device may never end, or lose something by being read.
fn size_bytes(metadata: &Metadata) -> Result<u64, String> {
    if metadata.is_file() {
        Ok(metadata.len())
    } else {
        let why = "neither a file nor a folder: write what comes of it to a file, and ingest that";
        Err(why.to_owned())
    }
}

fn not_listed(error: &io::Error) -> String {
    format!("it can't be listed: {error}")
}
