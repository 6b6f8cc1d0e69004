//! The canvas of scenes: each pixel has labels for its content.

use compexp_core::random::Random;

use super::labels::*;

/// Pixels a side of an image.
pub(super) const SIDE: usize = 112;
/// Samples along a pixel's side; an image's pixel is their mean.
const FINE: usize = 2;
/// Samples a side of the canvas.
const SAMPLES: usize = SIDE * FINE;
/// Positions a side of the masks.
pub(super) const GRID: usize = SIDE / 2;

/// A shade of a colour, and the colour's label.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ink {
    pub(super) label: u8,
    rgb: [f32; 3],
}

/// A shade of the colour `label`, a little different each time.
pub(super) fn ink(label: u8, random: &mut Random) -> Ink {
    let rgb: [f32; 3] = match label {
        BLACK => [38.0, 36.0, 44.0],
        BLUE => [72.0, 126.0, 206.0],
        BROWN => [134.0, 90.0, 54.0],
        GREY => [146.0, 148.0, 152.0],
        GREEN => [88.0, 158.0, 80.0],
        ORANGE => [240.0, 146.0, 58.0],
        PINK => [243.0, 164.0, 188.0],
        PURPLE => [132.0, 92.0, 172.0],
        RED => [208.0, 62.0, 54.0],
        WHITE => [246.0, 244.0, 238.0],
        _ => [246.0, 212.0, 88.0],
    };
    let bright = random.between(0.9, 1.07);
    Ink { label, rgb: rgb.map(|v| v * bright + random.between(-6.0, 6.0)) }
}

impl Ink {
    /// The shade `share` of the way to white, still of the same name.
    pub(super) fn pale(self, share: f32) -> Self {
        Self { rgb: self.rgb.map(|v| v + (255.0 - v) * share), ..self }
    }

    /// The shade at `factor` times its brightness, still of the same name.
    pub(super) fn times(self, factor: f32) -> Self {
        Self { rgb: self.rgb.map(|v| v * factor), ..self }
    }
}

/// How inks lie on a surface. Lengths are in pixels.
#[derive(Debug, Clone, Copy)]
pub(super) enum Pattern {
    Plain,
    /// Across `x` and `y` so many times a pixel.
    Striped(f32, f32),
    Dotted(f32),
    Chequered(f32),
    Zigzagged(f32),
}

/// What a shape is filled with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Brush {
    object: u8,
    part: u8,
    inks: [Ink; 2],
    pattern: Pattern,
    /// How much brighter the right and the lower edge are than the middle.
    light: (f32, f32),
}

impl Brush {
    pub(super) fn new(object: u8, ink: Ink) -> Self {
        Self { object, part: 0, inks: [ink; 2], pattern: Pattern::Plain, light: (0.0, 0.0) }
    }

    /// For the part `part` of the same object.
    pub(super) fn part(self, part: u8, ink: Ink) -> Self {
        Self { part, inks: [ink; 2], pattern: Pattern::Plain, ..self }
    }

    pub(super) fn pattern(self, pattern: Pattern, second: Ink) -> Self {
        Self { pattern, inks: [self.inks[0], second], ..self }
    }

    pub(super) fn light(self, across: f32, down: f32) -> Self {
        Self { light: (across, down), ..self }
    }

    /// The ink at a place of a surface whose origin is its middle, and the label of the texture.
    fn at(&self, x: f32, y: f32) -> (Ink, u8) {
        let odd = |v: f32| (v.floor() as i32).rem_euclid(2) == 1;
        let (second, texture) = match self.pattern {
            Pattern::Plain => (false, 0),
            Pattern::Striped(a, b) => (odd(x * a + y * b), STRIPED),
            Pattern::Dotted(size) => {
                let row = (y / size).floor();
                let shift = if odd(row) { 0.5 } else { 0.0 };
                let (u, v) = ((x / size + shift).rem_euclid(1.0) - 0.5, y / size - row - 0.5);
                (u * u + v * v < 0.09, DOTTED)
            }
            Pattern::Chequered(size) => (odd((x / size).floor() + (y / size).floor()), CHEQUERED),
            Pattern::Zigzagged(size) => {
                let tooth = ((x / size).rem_euclid(2.0) - 1.0).abs();
                (odd(y / size * 1.2 + tooth), ZIGZAGGED)
            }
        };
        (self.inks[usize::from(second)], texture)
    }
}

/// A sample: its colour, and what it shows.
#[derive(Debug, Clone, Copy, Default)]
struct Sample {
    rgb: [f32; 3],
    /// Labels of object, part, texture and colour; 0 = none.
    labels: [u8; 4],
}

/// The layers of an annotation, in this order wherever there are four of something.
pub(super) const LAYERS: [&str; 4] = ["object", "part", "texture", "color"];

/// A scene in the making. Places are `(x, y)` in pixels, from the upper left corner.
pub(super) struct Canvas {
    samples: Vec<Sample>,
}

impl Canvas {
    pub(super) fn new() -> Self {
        Self { samples: vec![Sample::default(); SAMPLES * SAMPLES] }
    }

    /// Calls `visit` for the samples in the box `[left, top, right, bottom]` that are `inside`.
    fn each(
        &mut self,
        [left, top, right, bottom]: [f32; 4],
        inside: impl Fn(f32, f32) -> bool,
        mut visit: impl FnMut(&mut Sample, f32, f32),
    ) {
        let fine = FINE as f32;
        let range = |from: f32, to: f32| {
            let first = (from * fine - 0.5).ceil().max(0.0) as usize;
            first..((to * fine - 0.5).ceil().max(0.0) as usize).min(SAMPLES)
        };
        for row in range(top, bottom) {
            let y = (row as f32 + 0.5) / fine;
            for column in range(left, right) {
                let x = (column as f32 + 0.5) / fine;
                if inside(x, y) {
                    visit(&mut self.samples[row * SAMPLES + column], x, y);
                }
            }
        }
    }

    /// Fills what is `inside` of the box `[left, top, right, bottom]`.
    pub(super) fn fill(&mut self, area: [f32; 4], brush: &Brush, inside: impl Fn(f32, f32) -> bool) {
        let middle = ((area[0] + area[2]) / 2.0, (area[1] + area[3]) / 2.0);
        let half = (((area[2] - area[0]) / 2.0).max(0.5), ((area[3] - area[1]) / 2.0).max(0.5));
        self.each(area, inside, |sample, x, y| {
            let (u, v) = (x - middle.0, y - middle.1);
            let (ink, texture) = brush.at(u, v);
            let bright = 1.0 + brush.light.0 * u / half.0 + brush.light.1 * v / half.1;
            *sample = Sample {
                rgb: ink.rgb.map(|value| value * bright),
                labels: [brush.object, brush.part, texture, ink.label],
            };
        });
    }

    pub(super) fn rectangle(&mut self, area: [f32; 4], brush: &Brush) {
        self.fill(area, brush, |_, _| true);
    }

    pub(super) fn ellipse(&mut self, (x, y): (f32, f32), (a, b): (f32, f32), brush: &Brush) {
        let inside = |px: f32, py: f32| ((px - x) / a).powi(2) + ((py - y) / b).powi(2) < 1.0;
        self.fill([x - a, y - b, x + a, y + b], brush, inside);
    }

    /// A polygon without holes, by the even-odd rule.
    pub(super) fn polygon(&mut self, corners: &[(f32, f32)], brush: &Brush) {
        let of = |pick: fn(&(f32, f32)) -> f32, better: fn(f32, f32) -> f32| {
            corners.iter().map(pick).reduce(better).unwrap_or(0.0)
        };
        let area = [of(|c| c.0, f32::min), of(|c| c.1, f32::min), of(|c| c.0, f32::max), of(|c| c.1, f32::max)];
        let inside = |x: f32, y: f32| {
            let edges = corners.iter().zip(corners.iter().cycle().skip(1));
            let crossed = edges
                .filter(|((ax, ay), (bx, by))| (*ay > y) != (*by > y) && x < (bx - ax) * (y - ay) / (by - ay) + ax);
            crossed.count() % 2 == 1
        };
        self.fill(area, brush, inside);
    }

    /// A straight line with round ends.
    pub(super) fn line(&mut self, from: (f32, f32), to: (f32, f32), width: f32, brush: &Brush) {
        let r = width / 2.0;
        let area = [from.0.min(to.0) - r, from.1.min(to.1) - r, from.0.max(to.0) + r, from.1.max(to.1) + r];
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let length = (dx * dx + dy * dy).max(1e-6);
        self.fill(area, brush, |x, y| {
            let t = (((x - from.0) * dx + (y - from.1) * dy) / length).clamp(0.0, 1.0);
            (x - from.0 - t * dx).powi(2) + (y - from.1 - t * dy).powi(2) < r * r
        });
    }

    /// Everything below the line `y = edge(x)`.
    pub(super) fn ground(&mut self, top: f32, brush: &Brush, edge: impl Fn(f32) -> f32) {
        self.fill([0.0, top, SIDE as f32, SIDE as f32], brush, |x, y| y >= edge(x));
    }

    /// Multiplies the colours within an ellipse, softly towards its edge; what is there keeps its labels.
    pub(super) fn glow(&mut self, (x, y): (f32, f32), (a, b): (f32, f32), factor: f32) {
        let away = |px: f32, py: f32| ((px - x) / a).powi(2) + ((py - y) / b).powi(2);
        self.each(
            [x - a, y - b, x + a, y + b],
            |px, py| away(px, py) < 1.0,
            |sample, px, py| {
                let factor = 1.0 + (factor - 1.0) * (1.0 - away(px, py));
                sample.rgb = sample.rgb.map(|v| v * factor);
            },
        );
    }

    /// The image `(SIDE, SIDE, 3)` under a light of the colour `light` that comes from one side, with noise.
    pub(super) fn develop(
        &self,
        light: [f32; 3],
        (across, down): (f32, f32),
        noise: f32,
        random: &mut Random,
    ) -> Vec<u8> {
        let mut rgb = Vec::with_capacity(SIDE * SIDE * 3);
        for (y, x) in (0..SIDE * SIDE).map(|i| (i / SIDE, i % SIDE)) {
            let place = |at: usize| (at as f32 + 0.5) / SIDE as f32 - 0.5;
            let bright = 1.0 + across * place(x) + down * place(y);
            for (channel, light) in light.iter().enumerate() {
                let fine = (0..FINE * FINE).map(|i| (y * FINE + i / FINE) * SAMPLES + x * FINE + i % FINE);
                let mean = fine.map(|at| self.samples[at].rgb[channel]).sum::<f32>() / (FINE * FINE) as f32;
                rgb.push((mean * bright * light + noise * random.near_normal()).round().clamp(0.0, 255.0) as u8);
            }
        }
        rgb
    }

    /// The labels `(GRID, GRID)` of every layer, each taken where the position has its middle.
    pub(super) fn labels(&self) -> [Vec<u8>; 4] {
        let step = SAMPLES / GRID;
        std::array::from_fn(|layer| {
            let positions =
                (0..GRID * GRID).map(|i| (i / GRID * step + step / 2) * SAMPLES + i % GRID * step + step / 2);
            positions.map(|at| self.samples[at].labels[layer]).collect()
        })
    }
}
