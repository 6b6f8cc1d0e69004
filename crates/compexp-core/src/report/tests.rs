//! Reports of small runs, into memory.
