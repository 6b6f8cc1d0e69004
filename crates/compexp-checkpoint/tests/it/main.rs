//! Reads real and hostile files through the public interface.

mod golden;
mod hostile;
mod old_pickles;
mod real;
mod write;
