//! The compexp command. Its code is in the library.
#![forbid(unsafe_code)]

/// Training allocates and frees large arrays in every step. The system's allocator gives them back each time, and the kernel
/// then clears their pages again.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    compexp_cli::main(std::env::args_os())
}
