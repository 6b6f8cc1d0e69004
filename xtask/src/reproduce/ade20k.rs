//! The index of Broden's ADE20k part, on which the paper's networks for images are probed: the rows of Broden's own index
//! whose images are of ADE20k, in their order.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

/// How the names of these images begin.
const PREFIX: &str = "ade20k/";

/// Writes the index of the ADE20k part of `index` to `to`, if it is not there. Returns the number of images.
pub(crate) fn derive(index: &Path, to: &Path) -> Result<usize> {
    let text = fs::read_to_string(index).with_context(|| format!("cannot read `{}`", index.display()))?;
    let (part, images) = part(&text).with_context(|| format!("`{}`", index.display()))?;
    // A file that is not touched keeps its time.
    if fs::read(to).is_ok_and(|found| found == part.as_bytes()) {
        return Ok(images);
    }
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot create `{}`", folder.display()))?;
    }
    fs::write(to, part).with_context(|| format!("cannot write `{}`", to.display()))?;
    Ok(images)
}

/// The header and the rows of ADE20k.
fn part(text: &str) -> Result<(String, usize)> {
    let mut lines = text.split_inclusive('\n');
    let header = lines.next().unwrap_or_default();
    if header.trim_start_matches('\u{feff}').split(',').next() != Some("image") {
        bail!("header: found `{}`, expected `image` as the first column", header.trim_end());
    }
    let rows: Vec<&str> = lines.filter(|line| line.trim_start_matches('"').starts_with(PREFIX)).collect();
    match rows.len() {
        0 => bail!("rows: found no image below `{PREFIX}`, expected Broden 1.0's"),
        images => Ok((header.to_owned() + &rows.concat(), images)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_ade20k_stay_in_their_order() {
        let text = "image,split\r\ndtd/a.jpg,train\r\nade20k/b.jpg,val\r\n\"ade20k/a.jpg\",train\r\npascal/ade20k/c.jpg,val\r\n";
        let expected = "image,split\r\nade20k/b.jpg,val\r\n\"ade20k/a.jpg\",train\r\n";
        assert_eq!(part(text).unwrap(), (expected.to_owned(), 2));
        for (text, expected) in [("", "header"), ("name,image\n", "header"), ("image,split\ndtd/a.jpg,val\n", "rows")] {
            let e = format!("{:#}", part(text).unwrap_err());
            assert!(e.starts_with(expected), "{e}");
        }
    }

    #[test]
    fn the_published_index_is_that_of_its_own_rows() {
        let Some(path) = compexp_tests::data("broden-index/index_ade20k.csv") else { return };
        let published = fs::read_to_string(path).unwrap();
        // Broden's own index has the rows of other sources between them.
        let all: String =
            published.split_inclusive('\n').map(|line| format!("{line}{}", line.replace("ade20k", "dtd"))).collect();
        let (header, rows) = all.split_once('\n').unwrap();
        let all = format!("{header}\n{}", rows.split_once('\n').unwrap().1);
        let (found, images) = part(&all).unwrap();
        assert_eq!(images, 22_210);
        assert!(found == published);
    }
}
