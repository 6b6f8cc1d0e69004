//! Accuracy on labelled images.

use std::path::{Path, PathBuf};

use compexp_files::{excerpt, read_text};

use crate::error::{Error, Result};
use crate::extract::{Block, Extract};
use crate::model::Model;
use crate::photo::Photo;
use crate::preprocess::Preparation;

/// Largest list file that is read, in bytes.
const MAX_LIST: u64 = 1 << 30;

/// Images with their classes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labelled {
    /// Where the images are.
    pub paths: Vec<PathBuf>,
    /// The class of each, counted from 0.
    pub classes: Vec<usize>,
}

impl Labelled {
    /// Reads a list of lines `path class`. The path may contain blanks. It is relative to `root`, or to the list's
    /// folder if `root` is `None`. Empty lines are skipped. Classes MUST be below `classes`.
    ///
    /// # Errors
    /// [`compexp_files::Error::Io`] if the list cannot be read; [`compexp_files::Error::Format`] naming the first
    /// line that has another form.
    pub fn read(list: &Path, root: Option<&Path>, classes: usize) -> Result<Self> {
        let text = read_text(list, MAX_LIST)?;
        let root = root.or(list.parent()).unwrap_or(Path::new(""));
        let mut all = Self::default();
        for (i, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() {
                continue;
            }
            let wrong =
                |found: String, expected: String| Error::format(list, format!("line {}", i + 1), found, expected);
            let Some((path, class)) = line.rsplit_once(char::is_whitespace) else {
                return Err(wrong(excerpt(line), "an image's path, a blank and its class".into()));
            };
            let number = class.parse::<usize>().ok().filter(|&class| class < classes);
            let Some(class) = number else {
                return Err(wrong(
                    format!("class {}", excerpt(class)),
                    format!("a number from 0 to {}, the network's last class", classes.saturating_sub(1)),
                ));
            };
            all.paths.push(root.join(path.trim_end()));
            all.classes.push(class);
        }
        if all.paths.is_empty() {
            return Err(Error::format(list, "list of images", "no lines", "lines of an image's path and its class"));
        }
        Ok(all)
    }
}

/// The accuracy of a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accuracy {
    /// The predicted class of every image; the first of equally likely ones.
    pub predicted: Vec<usize>,
    /// Images whose class is the predicted one.
    pub top1: usize,
    /// Images whose class is among the five most likely ones.
    pub top5: usize,
}

impl Accuracy {
    /// The number of images.
    pub fn n(&self) -> usize {
        self.predicted.len()
    }
}

/// Classifies images, `batch` at a time, upright as their orientation tags say; `progress` receives the number of images done and of all.
///
/// # Errors
/// The errors of [`Extract::run`].
pub fn evaluate(
    model: &Model,
    images: &Labelled,
    preparation: Preparation,
    batch: usize,
    progress: &dyn Fn(usize, usize),
) -> Result<Accuracy> {
    if images.paths.len() != images.classes.len() {
        return Err(Error::mismatch("classes of images", images.classes.len(), images.paths.len()));
    }
    let classes = model.classes();
    if let Some(&class) = images.classes.iter().find(|&&class| class >= classes) {
        return Err(Error::mismatch("class of an image", class, format!("less than {classes}")));
    }
    let mut accuracy = Accuracy { predicted: Vec::with_capacity(images.paths.len()), top1: 0, top5: 0 };
    let extract = Extract { layers: &[], preparation, batch, start_at: 0 };
    let sink = &mut |block: Block<'_>| {
        for (logits, &class) in block.logits.chunks_exact(classes).zip(&images.classes[block.first..]) {
            let rank = rank(logits, class);
            accuracy.top1 += usize::from(rank == 0);
            accuracy.top5 += usize::from(rank < 5);
            let best = (1..classes).fold(0, |best, class| if logits[class] > logits[best] { class } else { best });
            accuracy.predicted.push(best);
        }
        Ok(())
    };
    let photos: Vec<Photo> = images.paths.iter().map(Photo::upright).collect();
    extract.run(model, &photos, sink, progress)?;
    Ok(accuracy)
}

/// How many classes are more likely than `class`, or as likely and before it.
fn rank(logits: &[f32], class: usize) -> usize {
    let own = logits[class];
    logits.iter().enumerate().filter(|&(other, &value)| value > own || (value == own && other < class)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_name_the_line_that_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("list.txt");
        let read = |text: &str| {
            std::fs::write(&list, text).unwrap();
            Labelled::read(&list, None, 10)
        };
        let all = read("a b.jpg 3\r\n\nsub/c.png\t9\n").unwrap();
        assert_eq!(all.paths, [folder.path().join("a b.jpg"), folder.path().join("sub/c.png")]);
        assert_eq!(all.classes, [3, 9]);
        let other = Labelled::read(&list, Some(Path::new("elsewhere")), 10).unwrap();
        assert_eq!(other.paths[1], Path::new("elsewhere/sub/c.png"));
        for (text, message) in [
            ("a.jpg 1\nb.jpg\n", "line 2: found `b.jpg`, expected an image's path, a blank and its class"),
            ("a.jpg 1\n\nb.jpg 10", "line 3: found class `10`, expected a number from 0 to 9"),
            ("a.jpg -1", "line 1: found class `-1`"),
            ("a.jpg one", "line 1: found class `one`"),
            ("\n \n", "list of images: found no lines"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
        std::fs::write(&list, [0xff, 0xfe, 0, 1]).unwrap();
        assert!(matches!(Labelled::read(&list, None, 10), Err(Error::File(compexp_files::Error::Format { .. }))));
    }

    #[test]
    fn equal_logits_rank_in_the_order_of_classes() {
        let logits = [1.0, 3.0, 3.0, -1.0];
        assert_eq!([0, 1, 2, 3].map(|class| rank(&logits, class)), [2, 0, 1, 3]);
    }
}
