//! The compexp command; all of it is in the library.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    compexp_cli::main(std::env::args_os())
}
