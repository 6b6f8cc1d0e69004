//! Scales RGB bytes as the network expects. Images keep the size in which they are stored.

use std::path::Path;

use candle_core::{Device, Tensor};
use compexp_run::provenance::Scaling;
use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::framing::Framing;
use crate::image::Image;
use crate::photo::Photo;

/// How pixels are scaled.
#[derive(Debug, Clone, Copy, PartialEq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Preprocess {
    /// As the paper's code: in blue, green, red order the mean (109.5388, 118.6897, 124.6901) is subtracted from
    /// 0..255, the difference divided by 255 x 0.224, and fed as red, green, blue.
    #[default]
    Reference,
    /// As torchvision's models: 0..1, less (0.485, 0.456, 0.406), over (0.229, 0.224, 0.225), in red, green, blue.
    ImageNet,
    /// As a file beside the network says: 0..255 times a factor, less the mean, over the deviation, in red, green, blue.
    Scaled(Scaling),
}

impl Preprocess {
    /// Its name in files and arguments.
    pub fn name(self) -> &'static str {
        match self {
            Self::Reference => "reference",
            Self::ImageNet => "imagenet",
            Self::Scaled(_) => "file",
        }
    }

    /// The one of this name; `file` needs its numbers.
    pub fn of_name(name: &str, scaling: Option<Scaling>) -> Option<Self> {
        if let Some(scaling) = scaling {
            return Some(Self::Scaled(scaling)).filter(|preprocess| preprocess.name() == name);
        }
        [Self::Reference, Self::ImageNet].into_iter().find(|preprocess| preprocess.name() == name)
    }

    /// The three values, red first, that stand for the bytes `0..=255`.
    pub(crate) fn tables(self) -> [[f32; 256]; 3] {
        std::array::from_fn(|channel| {
            std::array::from_fn(|byte| {
                let byte = byte as f32;
                match self {
                    Self::Reference => {
                        let mean = [124.6901f32, 118.6897, 109.5388][channel];
                        (byte - mean) / (255.0 * 0.224)
                    }
                    Self::ImageNet => {
                        let (mean, deviation) = ([0.485f32, 0.456, 0.406][channel], [0.229f32, 0.224, 0.225][channel]);
                        (byte / 255.0 - mean) / deviation
                    }
                    Self::Scaled(Scaling { rescale, mean, std }) => {
                        ((f64::from(byte) * rescale - mean[channel]) / std[channel]) as f32
                    }
                }
            })
        })
    }

    /// `image` as f32 `(3, height, width)`, red first.
    pub fn apply(self, image: &Image) -> Vec<f32> {
        let mut out = vec![0.0; image.rgb.len()];
        self.fill(image, &mut out);
        out
    }

    fn fill(self, image: &Image, out: &mut [f32]) {
        let plane = image.width * image.height;
        for (channel, table) in self.tables().iter().enumerate() {
            let out = &mut out[channel * plane..][..plane];
            for (value, pixel) in out.iter_mut().zip(image.rgb.chunks_exact(3)) {
                *value = table[usize::from(pixel[channel])];
            }
        }
    }
}

/// What becomes of a photograph before a network sees it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Preparation {
    /// How it is brought to the network's size.
    pub framing: Framing,
    /// How its pixels are scaled.
    pub preprocess: Preprocess,
}

/// Images of one size, ready for a network.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// Images.
    pub n: usize,
    /// Rows of each.
    pub height: usize,
    /// Columns of each.
    pub width: usize,
    /// `(n, 3, height, width)`.
    pub data: Vec<f32>,
}

impl Batch {
    /// Reads and scales images, in parallel. They must have the size `expected` (height, width), or, if that is `None`,
    /// the size of the first.
    ///
    /// # Errors
    /// [`compexp_files::Error::Io`] if a file cannot be read; [`compexp_files::Error::Format`] if a file is not a valid
    /// image ([`Photo::read`]), or has another size than the first.
    pub fn read(photos: &[Photo], preparation: Preparation, expected: Option<(usize, usize)>) -> Result<Self> {
        let Preparation { framing, preprocess } = preparation;
        let Some(first) = photos.first() else {
            let (height, width) = expected.unwrap_or_default();
            return Ok(Self { n: 0, height, width, data: Vec::new() });
        };
        let image = framing.read(first)?;
        let (height, width) = expected.unwrap_or((image.height, image.width));
        check_size(&first.path, &image, (height, width))?;
        let size = 3 * height * width;
        let Some(total) = size.checked_mul(photos.len()).filter(|&total| total <= isize::MAX as usize / 4) else {
            return Err(Error::mismatch("images in a batch", photos.len(), "fewer; give a smaller batch size"));
        };
        let mut data = vec![0.0; total];
        let (head, tail) = data.split_at_mut(size);
        preprocess.fill(&image, head);
        let results: Vec<Result<()>> = tail
            .par_chunks_exact_mut(size)
            .zip(&photos[1..])
            .map(|(out, photo)| {
                let image = framing.read(photo)?;
                check_size(&photo.path, &image, (height, width))?;
                preprocess.fill(&image, out);
                Ok(())
            })
            .collect();
        results.into_iter().collect::<Result<()>>()?; // the first error by position, whichever thread met one first
        Ok(Self { n: photos.len(), height, width, data })
    }

    /// The batch as a tensor `(n, 3, height, width)` on `device`.
    ///
    /// # Errors
    /// [`Error::Candle`] if the device fails.
    pub fn into_tensor(self, device: &Device) -> Result<Tensor> {
        Ok(Tensor::from_vec(self.data, (self.n, 3, self.height, self.width), device)?)
    }
}

fn check_size(path: &Path, image: &Image, (height, width): (usize, usize)) -> Result<()> {
    if (image.height, image.width) == (height, width) {
        return Ok(());
    }
    Err(Error::format(
        path,
        "image size (width x height)",
        format!("{} x {}", image.width, image.height),
        format!(
            "{width} x {height} as the images before it: give --resize and --crop, which bring photographs to one size"
        ),
    ))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn write(path: &Path, width: u32, height: u32, rgb: &[u8]) {
        let file = std::fs::File::create(path).unwrap();
        let mut encoder = png::Encoder::new(file, width, height);
        encoder.set_color(png::ColorType::Rgb);
        encoder.write_header().unwrap().write_image_data(rgb).unwrap();
    }

    #[test]
    fn channels_come_first_and_are_scaled_as_each_network_expects() {
        let image = Image { height: 1, width: 2, rgb: vec![0, 255, 10, 100, 0, 255] };
        let close = |found: Vec<f32>, expected: [f64; 6]| {
            for (found, expected) in found.iter().zip(expected) {
                assert!((f64::from(*found) - expected).abs() < 1e-6, "{found} {expected}");
            }
        };
        let byte = |channel: usize, value: f64| (value - [124.6901, 118.6897, 109.5388][channel]) / (255.0 * 0.224);
        close(
            Preprocess::Reference.apply(&image),
            [byte(0, 0.0), byte(0, 100.0), byte(1, 255.0), byte(1, 0.0), byte(2, 10.0), byte(2, 255.0)],
        );
        close(
            Preprocess::ImageNet.apply(&image),
            [
                -0.485 / 0.229,
                (100.0 / 255.0 - 0.485) / 0.229,
                (1.0 - 0.456) / 0.224,
                -0.456 / 0.224,
                (10.0 / 255.0 - 0.406) / 0.225,
                (1.0 - 0.406) / 0.225,
            ],
        );
    }

    #[test]
    fn the_first_image_of_another_size_is_named_with_both_sizes() {
        let folder = tempfile::tempdir().unwrap();
        let paths: Vec<PathBuf> = (0..4).map(|i| folder.path().join(format!("{i}.png"))).collect();
        let imagenet = Preparation { preprocess: Preprocess::ImageNet, ..Preparation::default() };
        write(&paths[0], 2, 1, &[1; 6]);
        write(&paths[1], 2, 1, &[2; 6]);
        let photos: Vec<Photo> = paths.iter().map(Photo::stored).collect();
        let batch = Batch::read(&photos[..2], imagenet, None).unwrap();
        assert_eq!((batch.n, batch.height, batch.width, batch.data.len()), (2, 1, 2, 12));
        assert_eq!(batch.data[6..], Preprocess::ImageNet.apply(&Image::read(&paths[1]).unwrap())[..]);
        write(&paths[2], 1, 2, &[3; 6]);
        write(&paths[3], 3, 1, &[3; 9]);
        let error = Batch::read(&photos, imagenet, None).unwrap_err().to_string();
        assert!(error.contains("2.png`: image size (width x height): found 1 x 2, expected 2 x 1 as"), "{error}");
        let error = Batch::read(&photos[..1], imagenet, Some((5, 4))).unwrap_err().to_string();
        assert!(error.contains("0.png`") && error.contains("found 2 x 1, expected 4 x 5"), "{error}");
    }
}
