//! `preprocessor_config.json`: how the image processors of Hugging Face prepare pictures, for the network that stands beside it.
//!
//! Of the file, the scaling of pixels is used. The sizes are checked and told, since annotations must follow them: they are
//! options of the command.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use compexp_files::{Place, excerpt, read_json_of};
use compexp_run::provenance::Scaling;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::framing::Framing;
use crate::image::MAX_SIDE;

/// The name of the file.
pub const NAME: &str = "preprocessor_config.json";

/// The folder of a repository in which ONNX files stand, while the file stands beside that folder.
pub const ONNX_FOLDER: &str = "onnx";

/// What the file looks like, for errors.
const FORM: &str = r#"an object as image processors of Hugging Face have it: `{"image_mean": [r, g, b], "image_std": [r, g, b], ...}`"#;

/// What the file says of pictures.
#[derive(Clone, Debug, PartialEq)]
pub struct Preprocessor {
    /// The file.
    pub path: PathBuf,
    /// How pixels are scaled.
    pub scaling: Scaling,
    /// What it does to sizes, as far as a framing can do that.
    pub framing: Framing,
    /// How it differs from the framing, if it does.
    pub differs: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct File {
    do_resize: Value,
    size: Value,
    resample: Value,
    do_center_crop: Value,
    crop_size: Value,
    do_rescale: Value,
    rescale_factor: Value,
    rescale_offset: Value,
    do_normalize: Value,
    image_mean: Value,
    image_std: Value,
    do_flip_channel_order: Value,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Size {
    Short(u64),
    Both { height: u64, width: u64 },
    Sides { shortest_edge: Option<u64>, longest_edge: Option<u64> },
}

impl Preprocessor {
    /// The file beside a network's file, or beside the folder `onnx` that this is in, if there is one.
    ///
    /// # Errors
    /// The errors of [`Self::read`]; [`compexp_files::Error::Io`] if the system cannot tell.
    pub fn beside(network: &Path) -> Result<Option<Self>> {
        let folder = network.parent().unwrap_or(Path::new(""));
        let above = folder.parent().filter(|_| folder.file_name() == Some(OsStr::new(ONNX_FOLDER)));
        for folder in [Some(folder), above].into_iter().flatten() {
            let path = folder.join(NAME);
            if matches!(Place::behind(&path)?, Place::File(_)) {
                return Self::read(&path).map(Some);
            }
        }
        Ok(None)
    }

    /// Reads the file.
    ///
    /// # Errors
    /// [`compexp_files::Error::Io`] if it cannot be read; [`compexp_files::Error::Format`] naming the field that has an unknown
    /// value, contradicts another, or asks for what is not done here.
    pub fn read(path: &Path) -> Result<Self> {
        let fields = Fields { path, file: read_json_of(path, FORM)? };
        let scaling = fields.scaling()?;
        let (framing, differs) = fields.framing()?;
        Ok(Self { path: path.to_owned(), scaling, framing, differs })
    }
}

/// The fields of the file `path`.
struct Fields<'a> {
    path: &'a Path,
    file: File,
}

impl Fields<'_> {
    fn wrong(&self, name: &str, found: &Value, expected: &str) -> Error {
        let found = match found {
            Value::Null => "nothing".to_owned(),
            found => excerpt(&found.to_string()),
        };
        Error::format(self.path, name, found, format!("{expected}; or give --preprocess, and the file is not read"))
    }

    /// A field, if it is there.
    fn get<T: DeserializeOwned>(&self, name: &str, value: &Value, expected: &str) -> Result<Option<T>> {
        serde_json::from_value(value.clone()).map_err(|_| self.wrong(name, value, expected))
    }

    fn flag(&self, name: &str, value: &Value) -> Result<Option<bool>> {
        self.get(name, value, "true or false")
    }

    /// Refuses a step that is not done here.
    fn refuse(&self, name: &str, value: &Value) -> Result<()> {
        match self.flag(name, value)? {
            Some(true) => Err(self.wrong(name, value, "false: this step is not done here")),
            _ => Ok(()),
        }
    }

    /// A number for each channel that passes `is_right`.
    fn channels(&self, name: &str, value: &Value, expected: &str, is_right: fn(f64) -> bool) -> Result<[f64; 3]> {
        let three: Option<[f64; 3]> = self.get(name, value, expected)?;
        three.filter(|three| three.iter().all(|v| is_right(*v))).ok_or_else(|| self.wrong(name, value, expected))
    }

    fn scaling(&self) -> Result<Scaling> {
        let File { do_rescale, rescale_factor, rescale_offset, do_normalize, image_mean, image_std, .. } = &self.file;
        self.refuse("do_flip_channel_order", &self.file.do_flip_channel_order)?;
        self.refuse("rescale_offset", rescale_offset)?;
        const FACTOR: &str = "a number above 0, such as 0.00392156862745098";
        let factor: Option<f64> = self.get("rescale_factor", rescale_factor, FACTOR)?;
        if factor.is_some_and(|factor| !(factor.is_finite() && factor > 0.0)) {
            return Err(self.wrong("rescale_factor", rescale_factor, FACTOR));
        }
        let rescale = match self.flag("do_rescale", do_rescale)? {
            Some(false) => 1.0,
            _ => factor.unwrap_or(1.0 / 255.0),
        };
        if self.flag("do_normalize", do_normalize)? == Some(false) {
            return Ok(Scaling { rescale, mean: [0.0; 3], std: [1.0; 3] });
        }
        let mean = "a number for each of red, green and blue, since `do_normalize` is not false";
        let std = "a number above 0 for each of red, green and blue, since `do_normalize` is not false";
        Ok(Scaling {
            rescale,
            mean: self.channels("image_mean", image_mean, mean, |v| (v as f32).is_finite())?,
            std: self.channels("image_std", image_std, std, |v| (v as f32).is_normal() && v > 0.0)?,
        })
    }

    /// The height and width of a size; without the second, the short side.
    fn size(&self, name: &str, value: &Value) -> Result<Option<(usize, Option<usize>)>> {
        let expected = format!(
            "pixels from 1 to {MAX_SIDE}: a number, {{\"height\", \"width\"}}, {{\"shortest_edge\"}} or {{\"longest_edge\"}}"
        );
        let wrong = || self.wrong(name, value, &expected);
        let size = match self.get(name, value, &expected)? {
            None => return Ok(None),
            Some(Size::Short(side)) => (side, None),
            Some(Size::Both { height, width }) => (height, Some(width)),
            Some(Size::Sides { shortest_edge, longest_edge }) => {
                (shortest_edge.or(longest_edge).ok_or_else(wrong)?, None)
            }
        };
        let side = |n: u64| usize::try_from(n).ok().filter(|n| (1..=MAX_SIDE).contains(n)).ok_or_else(wrong);
        Ok(Some((side(size.0)?, size.1.map(side).transpose()?)))
    }

    /// The nearest framing, and how the file differs from it.
    fn framing(&self) -> Result<(Framing, Option<String>)> {
        let File { do_resize, size, resample, do_center_crop, crop_size, .. } = &self.file;
        let [size_is, crop_is] = [self.size("size", size)?, self.size("crop_size", crop_size)?];
        const RESAMPLE: &str = "a number from 0 to 5";
        let filter: Option<u8> = self.get("resample", resample, RESAMPLE)?;
        if filter.is_some_and(|filter| filter > 5) {
            return Err(self.wrong("resample", resample, RESAMPLE));
        }
        let (mut framing, mut differs) = (Framing::default(), Vec::new());
        // The processors that do not say whether they resize do it where they state a size.
        let resizes = self.flag("do_resize", do_resize)? != Some(false);
        if let Some((height, width)) = size_is.filter(|_| resizes) {
            framing.resize = Some(width.map_or(height, |width| height.min(width)));
            if let Some(width) = width {
                differs.push(format!("it stretches pictures to {height} x {width}"));
            }
            if let Some(filter) = filter.filter(|filter| *filter != 2) {
                differs.push(format!("it resizes with Pillow's filter {filter}, and not 2, the bilinear one"));
            }
        }
        if self.flag("do_center_crop", do_center_crop)? == Some(true) {
            let expected = "a size, since `do_center_crop` is true";
            let (height, width) = crop_is.ok_or_else(|| self.wrong("crop_size", crop_size, expected))?;
            let width = width.unwrap_or(height);
            if let Some(short) = framing.resize.filter(|short| height.max(width) > *short) {
                let expected = format!("at most {short} a side, which `size` leaves");
                return Err(self.wrong("crop_size", crop_size, &expected));
            }
            framing.crop = Some(height.min(width));
            if height != width {
                differs.push(format!("it cuts out {height} x {width}"));
            }
        }
        Ok((framing, (!differs.is_empty()).then(|| differs.join(", and "))))
    }
}

#[cfg(test)]
mod tests {
    use compexp_tests::files::Scratch;
    use serde_json::json;

    use super::*;
    use crate::image::Image;
    use crate::preprocess::Preprocess;

    fn read(value: &Value) -> Result<Preprocessor> {
        Preprocessor::read(&Scratch::new().write(NAME, value.to_string().as_bytes()))
    }

    /// As of `google/vit-base-patch16-224`.
    fn vit() -> Value {
        json!({
            "do_normalize": true, "do_rescale": true, "do_resize": true, "image_mean": [0.5, 0.5, 0.5],
            "image_processor_type": "ViTImageProcessor", "image_std": [0.5, 0.5, 0.5], "resample": 2,
            "rescale_factor": 0.00392156862745098, "size": { "height": 224, "width": 224 },
        })
    }

    fn with(mut value: Value, changes: Value) -> Value {
        for (name, change) in changes.as_object().unwrap() {
            value[name] = change.clone();
        }
        value
    }

    #[test]
    fn pixels_are_scaled_as_the_file_says() {
        let image = Image { height: 1, width: 2, rgb: vec![0, 255, 10, 100, 0, 255] };
        let values = |value: &Value| Preprocess::Scaled(read(value).unwrap().scaling).apply(&image);
        let imagenet = json!({ "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225] });
        let same = Preprocess::ImageNet.apply(&image);
        for (found, expected) in values(&with(vit(), imagenet)).iter().zip(same) {
            assert!((found - expected).abs() < 1e-6, "{found} {expected}");
        }
        // Planes of red, green and blue: (byte x factor - mean) / std.
        let bytes = [0.0, 100.0, 255.0, 0.0, 10.0, 255.0];
        for (changes, slow) in [
            (json!({}), (|byte| (byte / 255.0 - 0.5) / 0.5) as fn(f64) -> f64),
            (json!({ "do_rescale": false, "image_mean": [127.5, 127.5, 127.5] }), |byte| (byte - 127.5) / 0.5),
            (json!({ "do_normalize": false, "image_mean": null }), |byte| byte / 255.0),
            (json!({ "do_normalize": null, "rescale_factor": 0.5 }), |byte| (byte * 0.5 - 0.5) / 0.5),
            (json!({ "do_rescale": null, "rescale_factor": null }), |byte| (byte / 255.0 - 0.5) / 0.5),
        ] {
            for (found, byte) in values(&with(vit(), changes.clone())).into_iter().zip(bytes) {
                assert!((f64::from(found) - slow(byte)).abs() < 1e-4, "{changes}: {byte} is {found}");
            }
        }
    }

    #[test]
    fn sizes_are_told_as_far_as_a_framing_can_do_them() {
        let of = |changes: Value| read(&with(vit(), changes)).map(|file| (file.framing, file.differs)).unwrap();
        let framing = |resize, crop| Framing { resize, crop };
        let stretches = "it stretches pictures to 224 x 224";
        assert_eq!(of(json!({})), (framing(Some(224), None), Some(stretches.to_owned())));
        assert_eq!(of(json!({ "do_resize": false })), (framing(None, None), None));
        assert_eq!(of(json!({ "size": 256 })), (framing(Some(256), None), None));
        let crop = json!({ "size": { "shortest_edge": 256 }, "do_center_crop": true, "crop_size": 224 });
        assert_eq!(of(crop.clone()), (framing(Some(256), Some(224)), None));
        let (_, differs) = of(with(crop, json!({ "crop_size": { "height": 200, "width": 100 }, "resample": 3 })));
        assert!(
            differs.as_ref().is_some_and(|d| d.contains("filter 3") && d.contains("cuts out 200 x 100")),
            "{differs:?}"
        );
    }

    #[test]
    fn unknown_and_contradictory_values_name_file_and_field() {
        for (changes, message) in [
            (json!({ "image_mean": null }), "image_mean: found nothing, expected a number for each of red"),
            (json!({ "image_mean": [0.5] }), "image_mean: found `[0.5]`"),
            (json!({ "image_mean": 0.5 }), "image_mean: found `0.5`"),
            (json!({ "image_mean": [0.5, "a", 0.5] }), "image_mean: found `[0.5,\"a\",0.5]`"),
            (json!({ "image_mean": [0.5, 1e300, 0.5] }), "image_mean: found"),
            (json!({ "image_std": [0.5, 0.0, 0.5] }), "image_std: found `[0.5,0.0,0.5]`, expected a number above 0"),
            (json!({ "rescale_factor": -1.0 }), "rescale_factor: found `-1.0`, expected a number above 0"),
            (json!({ "rescale_factor": "1/255" }), "rescale_factor: found `\"1/255\"`"),
            (json!({ "rescale_offset": true }), "rescale_offset: found `true`, expected false"),
            (json!({ "do_flip_channel_order": true }), "do_flip_channel_order: found `true`, expected false"),
            (json!({ "do_normalize": "yes" }), "do_normalize: found `\"yes\"`, expected true or false"),
            (json!({ "do_rescale": 1 }), "do_rescale: found `1`"),
            (json!({ "size": 0 }), "size: found `0`, expected pixels from 1 to 16384"),
            (json!({ "size": { "edge": 3 } }), "size: found `{\"edge\":3}`"),
            (json!({ "size": [224, 224] }), "size: found `[224,224]`"),
            (json!({ "resample": 6 }), "resample: found `6`, expected a number from 0 to 5"),
            (json!({ "resample": "bicubic" }), "resample: found `\"bicubic\"`"),
            (json!({ "do_center_crop": true }), "crop_size: found nothing, expected a size, since `do_center_crop`"),
            (
                json!({ "do_center_crop": true, "crop_size": 256 }),
                "crop_size: found `256`, expected at most 224 a side",
            ),
        ] {
            let e = read(&with(vit(), changes.clone())).unwrap_err();
            assert!(matches!(&e, Error::File(compexp_files::Error::Format { .. })), "{changes}: {e}");
            let e = e.to_string();
            assert!(e.contains("preprocessor_config.json`: ") && e.contains(message), "{changes}: {e}");
            assert!(e.contains("give --preprocess"), "{e}");
        }
        for text in ["", "3", "{\"image_mean\": [0.5", "null"] {
            let e = Preprocessor::read(&Scratch::new().write(NAME, text.as_bytes())).unwrap_err().to_string();
            assert!(e.contains("preprocessor_config.json`: line"), "{text}: {e}");
        }
    }

    #[test]
    fn the_file_is_looked_for_beside_the_network_and_above_a_folder_of_onnx() {
        let scratch = Scratch::new();
        let found = |network: &str| Preprocessor::beside(&scratch.path(network)).unwrap().map(|file| file.path);
        std::fs::create_dir_all(scratch.path("a/onnx")).unwrap();
        std::fs::create_dir_all(scratch.path("a/other")).unwrap();
        assert_eq!(found("a/model.safetensors"), None);
        let file = scratch.write("a/preprocessor_config.json", vit().to_string().as_bytes());
        assert_eq!(found("a/model.safetensors"), Some(file.clone()));
        assert_eq!(found("a/onnx/model.onnx"), Some(file));
        assert_eq!(found("a/other/model.onnx"), None);
        assert_eq!(Preprocessor::beside(Path::new("no-such-network.onnx")).unwrap(), None);
    }
}
