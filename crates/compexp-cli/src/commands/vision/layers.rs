//! `compexp vision layers`: the layers of a network with their shapes.

use std::io::{self, BufWriter, Write};

use anyhow::Result;
use compexp_core::probe::Grid;
use serde_json::json;

use super::network::{self, Checkpoint};
use crate::args::device::DeviceArg;
use crate::args::vision::VisionLayersArgs;
use crate::progress::Reporter;
use crate::terminal::{self, count, name};

/// Rows and columns of the image, where the network takes any.
const SIDE: usize = 224;

pub(crate) fn run(args: &VisionLayersArgs, reporter: &Reporter) -> Result<()> {
    let Checkpoint { file, entry } = Checkpoint::new(&args.checkpoint)?;
    let options = compexp_vision::model::Options { entry, ..network::options(&args.shape) };
    let model = network::open(&file, &options, DeviceArg::cpu(), reporter)?;
    let (rows, columns) = model.image_size().unwrap_or((SIDE, SIDE));
    let Grid { height, width } = args.image_size.unwrap_or(Grid { height: rows, width: columns });
    let all = model.shapes(height, width)?;
    let mut out = BufWriter::new(io::stdout().lock());
    if args.json {
        let layers: Vec<_> = all
            .iter()
            .map(|(layer, shape)| {
                let feeds = model.feeds_head(&layer.name);
                json!({ "name": layer.name, "kind": layer.kind, "shape": shape, "read_by_last_layer": feeds })
            })
            .collect();
        let value = json!({
            "network": model.name(), "classes": model.classes(), "image": [height, width], "layers": layers,
        });
        terminal::write_json(&mut out, &value)?;
    } else {
        let classes = count(model.classes() as u64);
        writeln!(out, "{}, {classes} classes, on an image of {height} x {width}", name(model.name()))?;
        let rows: Vec<[String; 3]> = all
            .iter()
            .map(|(layer, shape)| {
                let shape: Vec<String> = shape.iter().map(usize::to_string).collect();
                [shape.join(" x "), layer.kind.clone(), name(&layer.name).to_string()]
            })
            .collect();
        terminal::write(&mut out, "  ", ["shape", "kind", "layer"], &rows)?;
    }
    Ok(out.flush()?)
}
