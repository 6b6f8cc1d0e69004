//! Sky, ground, and what grows or stands on it.

use compexp_core::random::Random;

use super::canvas::{Brush, Canvas, Ink, Pattern, SIDE, ink};
use super::labels::*;

const WIDTH: f32 = SIDE as f32;

/// The time of day: it decides the sky and the light.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hour {
    Day,
    Evening,
    Dull,
    Night,
}

impl Hour {
    pub(super) fn of(random: &mut Random) -> Self {
        random.pick(&[Self::Day, Self::Day, Self::Day, Self::Evening, Self::Evening, Self::Dull, Self::Night])
    }

    /// The colour of its light.
    pub(super) fn light(self) -> [f32; 3] {
        match self {
            Self::Day => [1.02, 1.01, 0.98],
            Self::Evening => [1.05, 0.96, 0.88],
            Self::Dull => [0.92, 0.94, 0.97],
            Self::Night => [0.74, 0.77, 0.92],
        }
    }
}

/// The sky down to the horizon, with what hangs in it.
pub(super) fn sky(canvas: &mut Canvas, random: &mut Random, hour: Hour, horizon: f32) {
    let bottom = horizon + 14.0;
    let (colors, pale): (&[u8], f32) = match hour {
        Hour::Day => (&[BLUE], 0.28),
        Hour::Evening => (&[ORANGE, PINK, PURPLE, YELLOW], 0.2),
        Hour::Dull => (&[GREY, WHITE], 0.12),
        Hour::Night => (&[BLACK, PURPLE, BLUE], 0.0),
    };
    let mut high = ink(random.pick(colors), random).pale(pale * random.between(0.5, 1.0));
    if hour == Hour::Night {
        high = high.times(0.62);
    }
    let brush = Brush::new(SKY, high).light(0.0, 0.12);
    canvas.rectangle([0.0, 0.0, WIDTH, bottom], &brush);
    if hour == Hour::Evening && random.chance(0.6) {
        let low = ink(random.pick(&[ORANGE, YELLOW, PINK]), random).pale(0.2);
        let from = horizon * random.between(0.4, 0.7);
        canvas.rectangle([0.0, from, WIDTH, bottom], &Brush::new(SKY, low).light(0.0, 0.06));
        canvas.glow((WIDTH / 2.0, from), (WIDTH, 7.0), 1.06);
    }
    let place = (random.between(12.0, 100.0), horizon * random.between(0.2, 0.5));
    match hour {
        Hour::Day if random.chance(0.6) => sun(canvas, place, random.between(5.0, 8.0), ink(YELLOW, random)),
        Hour::Evening if random.chance(0.7) => {
            let low = (place.0, horizon * random.between(0.55, 0.8));
            let color = ink(random.pick(&[ORANGE, RED, YELLOW]), random);
            sun(canvas, low, random.between(6.0, 9.0), color);
        }
        Hour::Night => {
            for _ in 0..14 {
                let at = (random.between(0.0, WIDTH), random.between(0.0, horizon));
                canvas.glow(at, (1.2, 1.2), 6.0);
            }
            let (x, y) = place;
            canvas.glow(place, (16.0, 16.0), 1.5);
            canvas.ellipse((x, y), (6.0, 6.0), &Brush::new(MOON, ink(WHITE, random)).light(-0.06, -0.06));
        }
        _ => {}
    }
    let clouds = match hour {
        Hour::Night => 0,
        Hour::Dull => 2 + random.below(2),
        _ => random.below(3),
    };
    for _ in 0..clouds {
        let color = match hour {
            Hour::Dull => GREY,
            Hour::Evening => random.pick(&[PINK, WHITE]),
            _ => WHITE,
        };
        let at = (random.between(5.0, 107.0), horizon * random.between(0.12, 0.6));
        let size = random.between(6.0, 10.0);
        cloud(canvas, random, at, size, color);
    }
}

fn sun(canvas: &mut Canvas, at: (f32, f32), r: f32, color: Ink) {
    canvas.glow(at, (r * 2.6, r * 2.6), 1.16);
    canvas.ellipse(at, (r, r), &Brush::new(SUN, color));
}

fn cloud(canvas: &mut Canvas, random: &mut Random, (x, y): (f32, f32), size: f32, color: u8) {
    let brush = Brush::new(CLOUD, ink(color, random)).light(-0.02, -0.06);
    for (dx, dy, r) in [(-1.1, 0.15, 0.55), (-0.4, -0.2, 0.75), (0.45, -0.1, 0.65), (1.1, 0.2, 0.45), (0.0, 0.25, 0.9)]
    {
        let r = r * size * random.between(0.85, 1.15);
        canvas.ellipse((x + dx * size, y + dy * size), (r, r * 0.62), &brush);
    }
}

/// Mountains that rise from the horizon, some of them with snow.
pub(super) fn mountains(canvas: &mut Canvas, random: &mut Random, horizon: f32, height: f32, count: usize) {
    let color = random.pick(&[GREY, PURPLE, BROWN, GREY]);
    let capped = random.chance(0.7);
    for i in 0..count {
        let x = WIDTH * (i as f32 + random.between(0.2, 0.8)) / count as f32;
        let height = height * random.between(0.7, 1.0);
        let half = height * random.between(0.9, 1.4);
        let (top, base) = (horizon - height, horizon + 6.0);
        let shade = ink(color, random);
        canvas.polygon(&[(x, top), (x + half, base), (x - half, base)], &Brush::new(MOUNTAIN, shade).light(0.0, 0.12));
        let dark = shade.times(0.82);
        canvas.polygon(&[(x, top), (x + half, base), (x + half * 0.15, base)], &Brush::new(MOUNTAIN, dark));
        if capped {
            let cap = Brush::new(MOUNTAIN, dark).part(SNOWCAP, ink(WHITE, random)).light(-0.05, 0.0);
            let (h, w) = (height * 0.36, half * 0.36 * height / (height + 6.0));
            let teeth = [
                (x, top),
                (x + w, top + h),
                (x + w * 0.45, top + h * 0.72),
                (x, top + h * 1.1),
                (x - w * 0.5, top + h * 0.75),
                (x - w, top + h),
            ];
            canvas.polygon(&teeth, &cap);
        }
    }
}

/// Rolling hills behind the ground.
pub(super) fn hills(canvas: &mut Canvas, random: &mut Random, horizon: f32, color: u8) {
    for i in 0..2 {
        let x = random.between(0.0, WIDTH);
        let (a, b) = (random.between(45.0, 75.0), random.between(10.0, 18.0));
        let brush = Brush::new(HILL, ink(color, random).times(0.85 + 0.1 * i as f32)).light(0.0, -0.08);
        canvas.ellipse((x, horizon + 6.0), (a, b), &brush);
    }
}

/// The ground `object` from a slightly curved edge at `top` downwards.
pub(super) fn ground(canvas: &mut Canvas, random: &mut Random, object: u8, color: u8, top: f32) {
    let (bend, lean) = (random.between(-3.0, 3.0), random.between(-0.03, 0.03));
    let shade = ink(color, random);
    let brush = Brush::new(object, shade).light(0.0, -0.07);
    canvas.ground(top - 6.0, &brush, |x| {
        let t = x / WIDTH - 0.5;
        top + bend * (1.0 - 4.0 * t * t) * 0.5 + lean * x
    });
    let (marks, tall) = match object {
        GRASS => (70, true),
        SAND | SNOW => (40, false),
        _ => (0, false),
    };
    for _ in 0..marks {
        let (x, y) = (random.between(0.0, WIDTH), random.between(top + 5.0, WIDTH));
        let depth = 0.5 + (y - top) / (WIDTH - top);
        let size = if tall { (0.5, 1.3 * depth) } else { (1.6 * depth, 0.5) };
        canvas.glow((x, y), (size.0 + 0.4, size.1 + 0.4), random.pick(&[0.84, 1.12]));
    }
}

/// Water from `top` to `bottom`, with waves.
pub(super) fn water(canvas: &mut Canvas, random: &mut Random, hour: Hour, top: f32, bottom: f32) {
    let color = match hour {
        Hour::Day => random.pick(&[BLUE, BLUE, BLUE, BLUE, GREEN]),
        Hour::Evening => random.pick(&[BLUE, PURPLE, ORANGE]),
        Hour::Dull => random.pick(&[GREY, BLUE]),
        Hour::Night => random.pick(&[BLACK, BLUE]),
    };
    let shade = ink(color, random).times(0.92);
    canvas.rectangle([0.0, top, WIDTH, bottom], &Brush::new(WATER, shade).light(0.0, -0.1));
    for _ in 0..26 {
        let y = random.between(top + 1.0, bottom);
        let depth = 0.4 + (y - top) / (bottom - top).max(1.0);
        let at = (random.between(0.0, WIDTH), y);
        canvas.glow(at, (5.0 * depth + 1.0, 0.8), random.pick(&[1.25, 1.16, 0.85]));
    }
}

/// A dark patch where something stands.
pub(super) fn shadow(canvas: &mut Canvas, (x, y): (f32, f32), half: f32) {
    canvas.glow((x + half * 0.15, y), (half, (half * 0.25).max(1.0)), 0.55);
}

/// A broad-leaved tree whose trunk stands at `(x, y)`; some 30 pixels high at size 1.
pub(super) fn tree(canvas: &mut Canvas, random: &mut Random, (x, y): (f32, f32), size: f32) {
    let leaves = random.pick(&[GREEN, GREEN, GREEN, ORANGE, RED, YELLOW, PINK]);
    shadow(canvas, (x, y), 9.0 * size);
    let bark =
        Brush::new(TREE, ink(BROWN, random)).part(TRUNK, ink(random.pick(&[BROWN, BROWN, GREY]), random).times(0.9));
    canvas.polygon(
        &[
            (x - 2.4 * size, y),
            (x - 1.5 * size, y - 16.0 * size),
            (x + 1.5 * size, y - 16.0 * size),
            (x + 2.4 * size, y),
        ],
        &bark.light(-0.2, 0.0),
    );
    let shade = ink(leaves, random);
    let crown = |shade: Ink| Brush::new(TREE, shade).part(CROWN, shade).light(-0.08, -0.12);
    let middle = (x, y - 20.0 * size);
    for (dx, dy, r, bright) in [
        (-6.0, 2.0, 6.0, 0.88),
        (6.0, 2.5, 6.0, 0.84),
        (0.0, -1.0, 8.5, 0.95),
        (-4.0, -5.0, 5.5, 1.03),
        (4.5, -5.0, 5.0, 0.98),
        (0.0, -8.0, 5.0, 1.07),
    ] {
        let r = r * size * random.between(0.88, 1.12);
        canvas.ellipse((middle.0 + dx * size, middle.1 + dy * size), (r, r * 0.92), &crown(shade.times(bright)));
    }
    if leaves == GREEN && random.chance(0.25) {
        for _ in 0..6 {
            let at = (middle.0 + random.between(-7.0, 7.0) * size, middle.1 + random.between(-8.0, 4.0) * size);
            let apple = ink(RED, random);
            canvas.ellipse(at, (1.2 * size, 1.2 * size), &crown(apple));
        }
    }
}

/// A pine of three tiers, with snow on it if it is `snowy`.
pub(super) fn pine(canvas: &mut Canvas, random: &mut Random, (x, y): (f32, f32), size: f32, snowy: bool) {
    shadow(canvas, (x, y), 8.0 * size);
    let shade = ink(GREEN, random).times(0.72);
    let whole = Brush::new(PINE, shade);
    canvas.rectangle(
        [x - 1.4 * size, y - 6.0 * size, x + 1.4 * size, y],
        &whole.part(TRUNK, ink(BROWN, random).times(0.85)),
    );
    for tier in 0..3 {
        let t = tier as f32;
        let (base, half) = (y - (4.0 + 7.5 * t) * size, (8.5 - 2.0 * t) * size);
        let top = base - 12.0 * size;
        let brush = whole.part(CROWN, shade.times(0.92 + 0.08 * t)).light(-0.15, 0.0);
        canvas.polygon(&[(x, top), (x + half, base), (x - half, base)], &brush);
        if snowy {
            let snow = whole.part(CROWN, ink(WHITE, random));
            canvas
                .polygon(&[(x, top), (x + half * 0.45, top + 5.2 * size), (x - half * 0.45, top + 5.2 * size)], &snow);
        }
    }
}

/// A palm that leans a little.
pub(super) fn palm(canvas: &mut Canvas, random: &mut Random, (x, y): (f32, f32), size: f32) {
    let lean = random.between(-6.0, 6.0) * size;
    let top = (x + lean, y - 26.0 * size);
    shadow(canvas, (x, y), 8.0 * size);
    let leaf = ink(GREEN, random);
    let whole = Brush::new(PALM, leaf);
    let bark = whole.part(TRUNK, ink(BROWN, random));
    canvas.line((x, y), (x + lean * 0.35, y - 13.0 * size), 3.0 * size, &bark);
    canvas.line((x + lean * 0.35, y - 13.0 * size), top, 2.5 * size, &bark);
    for (dx, dy) in [(-12.0, 3.0), (12.0, 3.0), (-9.0, -5.0), (9.0, -5.0), (-6.0, 8.0), (6.0, 8.0)] {
        let tip = (top.0 + dx * size, top.1 + dy * size);
        let bend = (top.0 + dx * 0.5 * size, top.1 + (dy * 0.5 - 3.0) * size);
        let brush = whole.part(CROWN, leaf.times(random.between(0.85, 1.1)));
        canvas.line(top, bend, 2.6 * size, &brush);
        canvas.line(bend, tip, 2.0 * size, &brush);
    }
}

/// A cactus with two arms.
pub(super) fn cactus(canvas: &mut Canvas, random: &mut Random, (x, y): (f32, f32), size: f32) {
    shadow(canvas, (x, y), 7.0 * size);
    let shade = ink(GREEN, random).times(0.85);
    let brush = Brush::new(CACTUS, shade).light(-0.2, 0.0);
    canvas.line((x, y - 2.0 * size), (x, y - 19.0 * size), 5.0 * size, &brush);
    for (side, from) in [(-1.0, random.between(7.0, 11.0)), (1.0, random.between(7.0, 12.0))] {
        let elbow = (x + side * 6.0 * size, y - from * size);
        canvas.line((x, elbow.1), elbow, 3.2 * size, &brush);
        canvas.line(elbow, (elbow.0, elbow.1 - 6.5 * size), 3.2 * size, &brush);
    }
    if random.chance(0.4) {
        let blossom = ink(random.pick(&[PINK, RED, YELLOW]), random);
        canvas.ellipse((x, y - 21.5 * size), (1.8 * size, 1.5 * size), &Brush::new(FLOWER, blossom));
    }
}

/// A few flowers around a place.
pub(super) fn flowers(canvas: &mut Canvas, random: &mut Random, (x, y): (f32, f32), count: usize) {
    let color = random.pick(&[RED, YELLOW, WHITE, PINK, PURPLE, BLUE]);
    for _ in 0..count {
        let (x, y) = (x + random.between(-11.0, 11.0), y + random.between(-4.0, 4.0));
        let petals = Brush::new(FLOWER, ink(color, random));
        for (dx, dy) in [(-1.2, 0.0), (1.2, 0.0), (0.0, -1.2), (0.0, 1.2)] {
            canvas.ellipse((x + dx, y + dy), (1.2, 1.2), &petals);
        }
        let heart = ink(if color == YELLOW { ORANGE } else { YELLOW }, random);
        canvas.ellipse((x, y), (0.9, 0.9), &Brush::new(FLOWER, heart));
    }
}

/// A boulder.
pub(super) fn rock(canvas: &mut Canvas, random: &mut Random, (x, y): (f32, f32), size: f32, color: u8) {
    shadow(canvas, (x, y), 8.0 * size);
    let shade = ink(color, random);
    let (a, b) = (random.between(5.0, 8.0) * size, random.between(4.0, 7.0) * size);
    let corners =
        [(x - a, y), (x - a * 0.75, y - b * 0.7), (x - a * 0.1, y - b), (x + a * 0.6, y - b * 0.75), (x + a, y)];
    canvas.polygon(&corners, &Brush::new(ROCK, shade).light(-0.12, -0.1));
    let side = [(x + a * 0.2, y), (x + a * 0.25, y - b * 0.55), (x + a * 0.6, y - b * 0.75), (x + a, y)];
    canvas.polygon(&side, &Brush::new(ROCK, shade.times(0.8)));
}

/// A field in perspective, striped by its furrows.
pub(super) fn field(canvas: &mut Canvas, random: &mut Random, top: f32, bottom: f32) {
    let colors = random.pick(&[(YELLOW, BROWN), (GREEN, BROWN), (YELLOW, GREEN), (YELLOW, ORANGE)]);
    let (first, second) = (ink(colors.0, random), ink(colors.1, random));
    let lean = random.between(-0.5, 0.5);
    let pattern = Pattern::Striped(0.16, 0.16 * lean);
    let brush = Brush::new(FIELD, first).pattern(pattern, second).light(0.0, -0.08);
    let (left, right) = (random.between(-30.0, 20.0), random.between(92.0, 140.0));
    canvas.polygon(&[(left, top), (right, top), (right + 14.0, bottom), (left - 14.0, bottom)], &brush);
}
