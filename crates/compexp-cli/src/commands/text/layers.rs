//! `compexp text layers`: the layers of a language model with their widths.

use std::io::{self, BufWriter, Write};

use anyhow::Result;
use compexp_text::Encoder;
use serde_json::json;

use crate::args::device::DeviceArg;
use crate::args::text::TextLayersArgs;
use crate::terminal::{self, count};

pub(crate) fn run(args: &TextLayersArgs) -> Result<()> {
    let model = Encoder::open(&args.model, &DeviceArg::cpu().device.open()?)?;
    let all = model.layers();
    let mut out = BufWriter::new(io::stdout().lock());
    if args.json {
        let layers: Vec<_> =
            all.iter().map(|layer| json!({ "name": layer.tap.to_string(), "width": layer.width })).collect();
        let value = json!({ "positions": model.positions(), "vocabulary": model.vocabulary(), "layers": layers });
        terminal::write_json(&mut out, &value)?;
    } else {
        let [positions, vocabulary] = [model.positions(), model.vocabulary()].map(|n| count(n as u64));
        writeln!(out, "texts of at most {positions} tokens, out of {vocabulary}")?;
        let rows: Vec<[String; 2]> = all.iter().map(|layer| [layer.width.to_string(), layer.tap.to_string()]).collect();
        terminal::write(&mut out, "  ", ["width", "layer"], &rows)?;
    }
    Ok(out.flush()?)
}
