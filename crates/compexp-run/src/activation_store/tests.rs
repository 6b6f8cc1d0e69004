//! Stores that are cut off, changed or killed at any moment.

use compexp_core::activation::ActivationSource;
use compexp_files::TensorFile;
use compexp_tests::files::Scratch;

use super::*;

const SHAPE: StoreShape =
    StoreShape { n_examples: 7, n_units: 3, grid: Grid { height: 2, width: 1 }, maps: true, n_classes: 2 };

fn open(scratch: &Scratch, key: &str) -> ActivationStore {
    ActivationStore::open_or_resume(&scratch.path("store"), key, SHAPE).unwrap()
}

fn partial(store: ActivationStore) -> ActivationWriter {
    match store {
        ActivationStore::Partial(writer) => writer,
        ActivationStore::Complete(_) => panic!("the store is complete"),
    }
}

fn values(first: usize, n: usize, per_example: usize, salt: f32) -> Vec<f32> {
    (first * per_example..(first + n) * per_example).map(|i| i as f32 + salt).collect()
}

/// Appends `n` examples.
fn append(writer: &mut ActivationWriter, n: usize) {
    let first = writer.next_example();
    let (activations, logits) = (values(first, n, 6, 0.25), values(first, n, 2, 1000.5));
    writer.append(first, &activations, &logits).unwrap();
}

fn complete(mut writer: ActivationWriter) -> ActivationFile {
    while writer.next_example() < SHAPE.n_examples {
        let n = (SHAPE.n_examples - writer.next_example()).min(2);
        append(&mut writer, n);
    }
    writer.finish().unwrap()
}

fn contents(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap())
        .map(|e| (e.file_name().into_string().unwrap(), std::fs::read(e.path()).unwrap()))
        .collect();
    all.sort();
    all
}

#[test]
fn a_complete_store_is_read_back() {
    let scratch = Scratch::new();
    let mut writer = partial(open(&scratch, "key"));
    assert_eq!(writer.next_example(), 0);
    append(&mut writer, 3);
    let names: Vec<_> = contents(&scratch.path("store")).into_iter().map(|(name, _)| name).collect();
    let expected =
        ["activations.json.partial", "activations.npy.partial", "activations.progress.partial", "logits.npy.partial"];
    assert_eq!(names, expected);
    let file = complete(writer);
    assert_eq!((file.n_examples(), file.n_units(), file.grid()), (7, 3, Grid { height: 2, width: 1 }));
    for again in [false, true] {
        let file = match open(&scratch, "key") {
            ActivationStore::Complete(file) => file,
            ActivationStore::Partial(_) => panic!("the store is not complete"),
        };
        let mut out = vec![0.0; 42];
        file.read(0, &mut out).unwrap();
        assert_eq!(out, values(0, 7, 6, 0.25), "{again}");
    }
    let logits = TensorFile::open(ActivationStore::logits_path(&scratch.path("store"))).unwrap();
    let mut out = vec![0.0; 14];
    logits.read_f32(0, &mut out).unwrap();
    assert!(logits.shape() == [7, 2] && out == values(0, 7, 2, 1000.5));
}

#[test]
fn a_store_cut_off_anywhere_is_resumed_to_the_same_bytes() {
    let whole = Scratch::new();
    complete(partial(open(&whole, "key")));
    let expected = contents(&whole.path("store"));
    let (header, row, logits_row) = (128, 24, 8);
    assert_eq!(expected[2].1.len(), header + 7 * row, "the lengths that this test counts on");

    // Around every boundary, and some in between; the logits are cut off elsewhere, and examples count where they
    // are whole in both.
    let end = header + 7 * row;
    for len in (0..=end).filter(|len| len % 23 == 0 || (header - 1..).contains(len) && (len + 25 - header) % row < 3) {
        for logits_len in [header + 7 * logits_row, header + (len * 5) % 57, len.min(header - 1)] {
            let scratch = Scratch::new();
            let mut writer = partial(open(&scratch, "key"));
            (0..7).for_each(|_| append(&mut writer, 1));
            drop(writer);
            let dir = scratch.path("store");
            let activations = whole.path("store").join(ACTIVATIONS);
            std::fs::write(dir.join(PARTIAL_ACTIVATIONS), &std::fs::read(activations).unwrap()[..len]).unwrap();
            let logits = whole.path("store").join(LOGITS);
            std::fs::write(dir.join(PARTIAL_LOGITS), &std::fs::read(logits).unwrap()[..logits_len]).unwrap();
            let writer = partial(open(&scratch, "key"));
            let next = (len.saturating_sub(header) / row).min(logits_len.saturating_sub(header) / logits_row);
            assert_eq!(writer.next_example(), next, "{len} and {logits_len} bytes");
            complete(writer);
            assert_eq!(contents(&dir), expected, "{len} and {logits_len} bytes");
        }
    }
}

#[test]
fn a_partial_store_that_was_changed_goes_on_before_the_change() {
    let kept = |change: &dyn Fn(&Path)| {
        let scratch = Scratch::new();
        let mut writer = partial(open(&scratch, "key"));
        (0..5).for_each(|_| append(&mut writer, 1));
        drop(writer);
        change(&scratch.path("store"));
        let writer = partial(open(&scratch, "key"));
        let next = writer.next_example();
        let file = complete(writer);
        let mut out = vec![0.0; 42];
        file.read(0, &mut out).unwrap();
        assert_eq!(out, values(0, 7, 6, 0.25));
        next
    };
    let edit = |path: PathBuf, change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = std::fs::read(&path).unwrap();
        change(&mut bytes);
        std::fs::write(path, bytes).unwrap();
    };
    assert_eq!(kept(&|_| ()), 5);
    assert_eq!(kept(&|dir| edit(dir.join(PARTIAL_ACTIVATIONS), &|b| b.resize(128 + 7 * 24, 0))), 5, "zeros behind it");
    assert_eq!(kept(&|dir| edit(dir.join(PARTIAL_ACTIVATIONS), &|b| b[128 + 3 * 24] ^= 1)), 3);
    assert_eq!(kept(&|dir| edit(dir.join(PARTIAL_LOGITS), &|b| b[128 + 8] ^= 1)), 1);
    assert_eq!(kept(&|dir| edit(dir.join(PROGRESS), &|b| b[40 * 2 + 9] ^= 1)), 2);
    assert_eq!(kept(&|dir| edit(dir.join(PROGRESS), &|b| b[40] = 200)), 1);
    assert_eq!(kept(&|dir| edit(dir.join(PROGRESS), &|b| b.truncate(97))), 2);
    assert_eq!(kept(&|dir| std::fs::remove_file(dir.join(PROGRESS)).unwrap()), 0);
}

#[test]
fn a_flipped_bit_of_a_complete_store_is_found() {
    let scratch = Scratch::new();
    complete(partial(open(&scratch, "key")));
    let path = scratch.path("store").join(ACTIVATIONS);
    let mut bytes = std::fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&path, bytes).unwrap();
    assert_eq!(partial(open(&scratch, "key")).next_example(), 0);
}

#[test]
fn a_run_killed_while_it_completes_the_store_is_resumed() {
    for renamed in 0..=2 {
        let scratch = Scratch::new();
        let dir = scratch.path("store");
        let mut writer = partial(open(&scratch, "key"));
        append(&mut writer, 7);
        drop(writer);
        for (from, to) in [(PARTIAL_ACTIVATIONS, ACTIVATIONS), (PARTIAL_LOGITS, LOGITS)].iter().take(renamed) {
            std::fs::rename(dir.join(from), dir.join(to)).unwrap();
        }
        let writer = partial(open(&scratch, "key"));
        assert_eq!(writer.next_example(), 7, "{renamed} files renamed");
        assert!(!dir.join(ACTIVATIONS).exists() && !dir.join(LOGITS).exists());
        writer.finish().unwrap();
        assert!(matches!(open(&scratch, "key"), ActivationStore::Complete(_)));
    }
}

#[test]
fn another_key_or_shape_starts_anew() {
    let scratch = Scratch::new();
    let dir = scratch.path("store");
    complete(partial(open(&scratch, "key")));
    let writer = partial(open(&scratch, "other key"));
    assert_eq!(writer.next_example(), 0);
    assert!(!dir.join(ACTIVATIONS).exists() && !dir.join(META).exists(), "nothing of the old key is left");
    let mut writer = writer;
    append(&mut writer, 4);
    drop(writer);
    assert_eq!(partial(open(&scratch, "other key")).next_example(), 4);
    assert_eq!(partial(open(&scratch, "third key")).next_example(), 0);
    let other = StoreShape { n_classes: 0, ..SHAPE };
    let writer = partial(ActivationStore::open_or_resume(&dir, "third key", other).unwrap());
    assert_eq!(writer.next_example(), 0);
    assert!(!dir.join(PARTIAL_LOGITS).exists(), "a model without logits has no file of them");
    drop(writer);
    std::fs::write(dir.join(PARTIAL_META), "{").unwrap();
    assert_eq!(partial(open(&scratch, "third key")).next_example(), 0);
}

#[test]
fn a_complete_store_that_was_damaged_starts_anew() {
    for name in [ACTIVATIONS, LOGITS, META] {
        for remove in [false, true] {
            let scratch = Scratch::new();
            complete(partial(open(&scratch, "key")));
            let path = scratch.path("store").join(name);
            let bytes = std::fs::read(&path).unwrap();
            match remove {
                true => std::fs::remove_file(&path).unwrap(),
                false => std::fs::write(&path, &bytes[..bytes.len() - 3]).unwrap(),
            }
            let writer = partial(open(&scratch, "key"));
            assert_eq!(writer.next_example(), 0, "{name} {remove}");
            complete(writer);
        }
    }
}

#[test]
fn blocks_that_do_not_follow_are_refused() {
    let scratch = Scratch::new();
    let mut writer = partial(open(&scratch, "key"));
    append(&mut writer, 5);
    for (first, activations, logits) in [(4, 6, 2), (6, 6, 2), (5, 5, 2), (5, 6, 1), (5, 6, 4), (5, 18, 6), (5, 0, 2)] {
        let e = writer.append(first, &vec![0.0; activations], &vec![0.0; logits]).unwrap_err();
        assert!(matches!(e, Error::Core(compexp_core::Error::Mismatch { .. })), "{e}");
    }
    assert_eq!(writer.next_example(), 5);
    let e = writer.finish().unwrap_err().to_string();
    assert!(e.contains("examples in the store: found 5, expected 7"), "{e}");
    assert_eq!(partial(open(&scratch, "key")).next_example(), 5, "nothing is lost");
}

#[test]
fn impossible_shapes_are_refused() {
    let scratch = Scratch::new();
    let grid = |height, width| Grid { height, width };
    for shape in [
        StoreShape { n_examples: 0, ..SHAPE },
        StoreShape { n_units: 0, ..SHAPE },
        StoreShape { grid: grid(0, 1), ..SHAPE },
        StoreShape { n_units: usize::MAX, ..SHAPE },
        StoreShape { grid: grid(1 << 40, 1 << 40), ..SHAPE },
        StoreShape { n_classes: usize::MAX / 4, ..SHAPE },
    ] {
        let e = ActivationStore::open_or_resume(&scratch.path("store"), "key", shape).unwrap_err();
        assert!(matches!(e, Error::Core(compexp_core::Error::Mismatch { .. })), "{shape:?}: {e}");
    }
    let file = scratch.write("file", b"");
    assert!(matches!(
        ActivationStore::open_or_resume(&file, "key", SHAPE).unwrap_err(),
        Error::File(compexp_files::Error::Io { .. })
    ));
}

#[cfg(unix)]
#[test]
fn a_store_that_the_system_cannot_read_is_an_error_and_stays() {
    let scratch = Scratch::new();
    complete(partial(open(&scratch, "key")));
    let dir = scratch.path("store");
    let names = || contents(&dir).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    let before = names();
    for name in [META, ACTIVATIONS, LOGITS, BLOCKS] {
        let (path, aside) = (dir.join(name), scratch.path("aside"));
        std::fs::rename(&path, &aside).unwrap();
        std::os::unix::fs::symlink(name, &path).unwrap();
        let e = ActivationStore::open_or_resume(&dir, "key", SHAPE).unwrap_err();
        assert!(matches!(e, Error::File(compexp_files::Error::Io { .. })), "{name}: {e}");
        std::fs::rename(&aside, &path).unwrap();
        assert_eq!(names(), before, "{name}");
    }
    assert!(matches!(open(&scratch, "key"), ActivationStore::Complete(_)));
}
