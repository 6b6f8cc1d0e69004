//! The arguments of `doctor`, `completions` and `man`.

use std::path::PathBuf;

use clap::Args;
use clap_complete::Shell;

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  compexp doctor")]
pub(crate) struct DoctorArgs {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  compexp completions bash > ~/.local/share/bash-completion/completions/compexp
  compexp completions zsh > ~/.zfunc/_compexp
  compexp completions fish > ~/.config/fish/completions/compexp.fish")]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub(crate) shell: Shell,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  compexp man ~/.local/share/man/man1")]
pub(crate) struct ManArgs {
    /// The folder for the pages, compexp.1 and one for each command
    pub(crate) dir: PathBuf,
}
