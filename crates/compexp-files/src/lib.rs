//! Files: how every crate of compexp opens, reads, hashes and writes them.
//!
//! - [`SourceFile`] is the one way to open a file for reading, [`read_bytes`] and [`read_text`] read one whole;
//! - [`TensorFile`] reads arrays in blocks, by position; [`strided`] is about those that are not in row-major order;
//! - [`read_json`], [`read_rows`] and their counterparts read and write JSON and CSV within limits;
//! - [`ParquetFile`] reads the columns of Parquet files, and [`write_parquet`] writes such files: with the feature `parquet`;
//! - [`AtomicFile`], [`NpyWriter`], [`write_json`] and [`write_bytes`] write files that are whole or absent,
//!   [`remove_partials`] clears away what killed processes left; a [`GrowingFile`] is filled while a long command works;
//! - [`Place`] tells what stands at a path, [`entries`] what is in a folder; [`make_folder`], [`rename`] and
//!   [`remove_tree`] change that, and [`free_space`] tells what still fits;
//! - [`FolderLock`] keeps other processes away from a folder, [`StagedFolder`] replaces one as a whole;
//! - [`ContentHash`] and [`hash_file`] tell whether two files were made from the same things.
//!
//! Everything read here may be broken, hostile, or changing while it is read: sizes are checked against the file's
//! length before memory is allocated, and files are read by position rather than mapped into memory, because a mapped
//! file that shrinks kills the process.
//!
//! # What it does not know
//! What a file is for: no concept, formula, model or run.
#![forbid(unsafe_code)]

mod dtype;
mod error;
mod folder_lock;
mod growing;
mod hash;
mod json;
pub mod npy;
mod parquet_file;
mod place;
mod rows;
mod source_file;
mod staged;
pub mod strided;
mod table;
mod tensor_file;
mod text;
mod unnamed;
mod write;

pub use dtype::Dtype;
pub use error::{Error, Result, excerpt, listed, shorten};
pub use folder_lock::{FolderLock, claim_folder};
pub use growing::GrowingFile;
pub use hash::{ContentHash, hash_file};
pub use json::{parse_json, read_json, read_json_of, write_json};
pub use parquet_file::{Cell, HAS_PARQUET, ParquetColumn, ParquetFile, Values, is_parquet, write_parquet};
pub use place::{
    Entry, Place, beside, entries, free_space, is_there, link_or_copy, make_folder, point_to, real_path, remove_tree,
    rename, whole_path,
};
pub use rows::{guarded, read_rows, without_guards, write_rows};
pub use source_file::{SourceFile, SourceReader, read_bytes, read_text};
pub use staged::{StagedFolder, put_in_place, recover_place};
pub use table::Header;
pub use tensor_file::{TensorFile, View, is_npz, npz_text, split_spec};
pub use text::{line_text, mark_len, text_of};
pub use unnamed::UnnamedFile;
pub use write::{
    AtomicFile, NpyElement, NpyWriter, is_partial, remove_partials, sync_folder, write_bytes, write_elements,
    write_npy, write_unsynced,
};
