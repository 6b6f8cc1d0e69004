//! `compexp completions` and `compexp man`: what shells and readers of manuals want, made from the arguments themselves.

use std::io::{self, Write};

use anyhow::Result;
use clap::CommandFactory;
use clap_mangen::Man;
use compexp_files::{make_folder, write_bytes};

use crate::args::Cli;
use crate::args::setup::{CompletionsArgs, ManArgs};
use crate::terminal::{count, name};

pub(crate) fn completions(args: &CompletionsArgs) -> Result<()> {
    // Made whole first: a closed pipe is then no panic in the middle.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "compexp", &mut script);
    Ok(io::stdout().lock().write_all(&script)?)
}

pub(crate) fn man(args: &ManArgs) -> Result<()> {
    make_folder(&args.dir)?;
    let mut root = Cli::command();
    root.build();
    let mut pages = Vec::new();
    pages_of(root, String::new(), &mut pages)?;
    for (page, text) in &pages {
        write_bytes(&args.dir.join(format!("{page}.1")), text)?;
    }
    let dir = name(&args.dir.display().to_string());
    Ok(writeln!(io::stdout().lock(), "{} pages in `{dir}`", count(pages.len() as u64))?)
}

/// The pages of a command and of those below it; `above` is the name of the page above it, with a dash.
fn pages_of(command: clap::Command, above: String, pages: &mut Vec<(String, Vec<u8>)>) -> Result<()> {
    let page = format!("{above}{}", command.get_name());
    for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
        pages_of(below.clone(), format!("{page}-"), pages)?;
    }
    let mut text = Vec::new();
    Man::new(command.display_name(page.clone())).title(page.clone()).render(&mut text)?;
    pages.push((page, text));
    Ok(())
}
