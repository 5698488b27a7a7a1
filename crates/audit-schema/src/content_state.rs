//! The states of `m365_content`: what an input or a window of the feed came to.

/// The feed told of the blob; of a window, that it was listed to its end at that time.
pub const LISTED: &str = "listed";
/// Of a blob or file: all of it is accounted for.
pub const STORED: &str = "stored";
/// Of one which had been stored, when it has added records again.
pub const STORED_AGAIN: &str = "stored_again";
/// Of a blob: Microsoft had deleted it.
pub const EXPIRED: &str = "expired";
/// Of a window: nothing more comes of it.
pub const COMPLETE: &str = "complete";
/// Of a window: some of it could not be listed in time.
pub const PARTIAL: &str = "partial";
/// Of a blob that never came whole, or of a window that could not be listed in time.
pub const LOST: &str = "lost";
