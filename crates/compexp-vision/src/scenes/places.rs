//! The kinds of scenes, and the places of things in them. Most things occur in several kinds, so a scene is recognised
//! by the things that occur together.

use compexp_core::random::Random;

use super::canvas::{Canvas, SIDE};
use super::labels::*;
use super::nature::Hour;
use super::{built, indoor, nature};

const WIDTH: f32 = SIDE as f32;

/// Paints a scene of the class `class` of [`SCENES`] and gives the light it is seen in.
pub(super) fn paint(canvas: &mut Canvas, random: &mut Random, class: usize) -> [f32; 3] {
    let place = SCENES.get(class).copied().unwrap_or_default();
    let inside: Option<fn(&mut Canvas, &mut Random)> = match place {
        "bedroom" => Some(bedroom),
        "living_room" => Some(living_room),
        "kitchen" => Some(kitchen),
        _ => None,
    };
    if let Some(inside) = inside {
        inside(canvas, random);
        return random.pick(&[[1.0, 1.0, 1.0], [1.03, 0.98, 0.9], [0.92, 0.95, 1.0], [0.85, 0.84, 0.82]]);
    }
    let hour = Hour::of(random);
    let outside = match place {
        "beach" => beach,
        "harbor" => harbor,
        "street" => street,
        "village" => village,
        "forest" => forest,
        "mountain" => mountain,
        "farm" => farm,
        "desert" => desert,
        _ => ski_slope,
    };
    outside(canvas, random, hour);
    hour.light()
}

/// `count` places on the ground from `top` to the lower edge, the farthest first so that nearer things hide them, with
/// the size that things have there.
fn places(random: &mut Random, count: usize, top: f32, bottom: f32) -> Vec<((f32, f32), f32)> {
    let mut all: Vec<(f32, f32)> =
        (0..count).map(|_| (random.between(4.0, 108.0), random.between(top + 2.0, bottom))).collect();
    all.sort_by(|a, b| a.1.total_cmp(&b.1));
    all.into_iter().map(|(x, y)| ((x, y), 0.75 + 0.85 * (y - top) / (WIDTH - top))).collect()
}

fn bedroom(canvas: &mut Canvas, random: &mut Random) {
    let edge = random.between(66.0, 76.0);
    indoor::room(canvas, random, edge, false);
    wall_things(canvas, random, edge);
    if random.chance(0.6) {
        let x = random.between(26.0, 86.0);
        indoor::rug(canvas, random, (x, edge + 27.0), (24.0, 7.0));
    }
    let side = random.pick(&[-1.0, 1.0]);
    let x = random.between(4.0, 36.0);
    let x = if side > 0.0 { x } else { WIDTH - x };
    let free = if x + side * 34.0 > WIDTH / 2.0 { random.between(8.0, 20.0) } else { random.between(92.0, 104.0) };
    if random.chance(0.6) {
        indoor::table(canvas, random, (free - 8.0, edge + 10.0), (16.0, 12.0));
        indoor::lamp(canvas, random, (free, edge - 4.0), 15.0);
    } else if random.chance(0.5) {
        indoor::cupboard(canvas, random, [free - 13.0, edge - 36.0, free + 13.0, edge + 8.0]);
    }
    let y = edge + random.between(14.0, 24.0);
    indoor::bed(canvas, random, (x, y), side);
}

/// Windows and pictures on the wall.
fn wall_things(canvas: &mut Canvas, random: &mut Random, edge: f32) {
    for from in [6.0, 62.0] {
        let at = (from + random.between(0.0, 16.0), random.between(8.0, edge * 0.32));
        let width = random.between(18.0, 27.0);
        match random.below(5) {
            0 | 1 => indoor::window(canvas, random, at, (width, 24.0)),
            2 | 3 => indoor::picture(canvas, random, at, (width, 17.0)),
            _ => {}
        }
    }
}

fn living_room(canvas: &mut Canvas, random: &mut Random) {
    let edge = random.between(66.0, 76.0);
    indoor::room(canvas, random, edge, false);
    wall_things(canvas, random, edge);
    let x = random.between(8.0, 42.0);
    let free = if x > 25.0 { random.between(6.0, 11.0) } else { random.between(101.0, 106.0) };
    if random.chance(0.7) {
        let height = random.between(36.0, 48.0);
        indoor::lamp(canvas, random, (free, edge + 8.0), height);
    } else {
        indoor::plant(canvas, random, (free, edge + 10.0), 1.2);
    }
    if random.chance(0.7) {
        indoor::rug(canvas, random, (x + 31.0, edge + 26.0), (38.0, 10.0));
    }
    let y = edge + random.between(10.0, 16.0);
    indoor::sofa(canvas, random, (x, y));
    if random.chance(0.6) {
        let left = x + random.between(8.0, 24.0);
        indoor::table(canvas, random, (left, edge + 34.0), (30.0, 11.0));
    } else if random.chance(0.5) {
        indoor::plant(canvas, random, (WIDTH - free, edge + 31.0), 1.3);
    }
}

fn kitchen(canvas: &mut Canvas, random: &mut Random) {
    let edge = random.between(66.0, 76.0);
    let tiled = random.chance(0.7);
    indoor::room(canvas, random, edge, tiled);
    if random.chance(0.6) {
        let (x, width) = (random.between(8.0, 80.0), random.between(18.0, 27.0));
        indoor::window(canvas, random, (x, 8.0), (width, 22.0));
    } else {
        let (left, width) = (random.between(0.0, 40.0), random.between(39.0, 66.0));
        indoor::cupboard(canvas, random, [left, 6.0, left + width, 27.0]);
    }
    let (left, right) = (random.between(0.0, 16.0), random.between(84.0, 112.0));
    indoor::cupboard(canvas, random, [left, edge - 24.0, right, edge + 6.0]);
    if random.chance(0.8) {
        let x = random.between(left + 2.0, right - 26.0);
        indoor::stove(canvas, random, [x, edge - 25.0, x + 23.0, edge + 7.0]);
    }
    if random.chance(0.75) {
        let (x, y) = (random.between(28.0, 56.0), edge + random.between(26.0, 34.0));
        for (side, at) in [(-1.0, x + 37.0), (1.0, x - 7.0)] {
            if random.chance(0.75) {
                indoor::chair(canvas, random, (at, y - 1.0), side);
            }
        }
        indoor::table(canvas, random, (x, y), (30.0, 16.0));
    } else if random.chance(0.6) {
        let x = random.between(12.0, 100.0);
        indoor::plant(canvas, random, (x, edge + 28.0), 1.2);
    }
}

fn beach(canvas: &mut Canvas, random: &mut Random, hour: Hour) {
    let horizon = random.between(32.0, 46.0);
    nature::sky(canvas, random, hour, horizon);
    let shore = horizon + random.between(18.0, 28.0);
    nature::water(canvas, random, hour, horizon, shore + 8.0);
    if random.chance(0.35) {
        let x = random.between(14.0, 98.0);
        built::boat(canvas, random, (x, horizon + 7.0), 0.6);
    }
    let color = random.pick(&[YELLOW, YELLOW, ORANGE, BROWN]);
    nature::ground(canvas, random, SAND, color, shore);
    let count = 2 + random.below(4);
    for (at, size) in places(random, count, shore + 6.0, 106.0) {
        match random.below(6) {
            0 | 1 => built::umbrella(canvas, random, at, size),
            2 => nature::palm(canvas, random, at, size * 1.15),
            3 => nature::rock(canvas, random, at, size, GREY),
            _ => built::person(canvas, random, at, size),
        }
    }
}

fn harbor(canvas: &mut Canvas, random: &mut Random, hour: Hour) {
    let horizon = random.between(30.0, 46.0);
    nature::sky(canvas, random, hour, horizon);
    if random.chance(0.3) {
        nature::hills(canvas, random, horizon, GREEN);
    }
    nature::water(canvas, random, hour, horizon, WIDTH);
    if random.chance(0.65) {
        let (x, size) = (random.between(12.0, 100.0), random.between(0.75, 1.0));
        built::lighthouse(canvas, random, (x, horizon + 9.0), size);
    }
    let pier = random.chance(0.5).then(|| random.between(15.0, 97.0));
    if let Some(x) = pier {
        built::pier(canvas, random, x, horizon + 22.0);
    }
    let count = 1 + random.below(3);
    for (at, size) in places(random, count, horizon + 14.0, 104.0) {
        built::boat(canvas, random, at, size * 1.15);
    }
    if let Some(x) = pier.filter(|_| random.chance(0.4)) {
        built::person(canvas, random, (x, 98.0), 1.25);
    }
}

fn street(canvas: &mut Canvas, random: &mut Random, hour: Hour) {
    let horizon = random.between(62.0, 72.0);
    nature::sky(canvas, random, hour, horizon);
    let mut x = random.between(-14.0, 0.0);
    while x < WIDTH {
        let (width, top) = (random.between(20.0, 32.0), random.between(8.0, 38.0));
        match random.below(8) {
            0 => nature::tree(canvas, random, (x + width / 2.0, horizon + 3.0), 1.2),
            1 => built::house(canvas, random, (x + 2.0, horizon + 2.0), 1.0),
            _ => built::building(canvas, random, [x, top, x + width - 1.0, horizon + 3.0]),
        }
        x += width;
    }
    let curb = horizon + 2.0;
    nature::ground(canvas, random, PATH, GREY, curb);
    let (top, bottom) = (curb + 10.0, curb + 32.0);
    built::road(canvas, random, top, bottom);
    if random.chance(0.6) {
        let x = random.between(8.0, 104.0);
        built::streetlight(canvas, random, (x, top - 1.0), 1.15);
    }
    if random.chance(0.5) {
        let x = random.between(8.0, 104.0);
        built::person(canvas, random, (x, top - 1.0), 1.0);
    }
    for lane in [top + 9.0, bottom - 2.0] {
        if random.chance(0.65) {
            let x = random.between(-4.0, 80.0);
            built::car(canvas, random, (x, lane), 1.05);
        }
    }
    if random.chance(0.3) {
        let x = random.between(8.0, 104.0);
        built::person(canvas, random, (x, WIDTH - 1.0), 1.35);
    }
}

fn village(canvas: &mut Canvas, random: &mut Random, hour: Hour) {
    let horizon = random.between(36.0, 50.0);
    nature::sky(canvas, random, hour, horizon);
    if random.chance(0.6) {
        nature::hills(canvas, random, horizon, GREEN);
    }
    nature::ground(canvas, random, GRASS, GREEN, horizon);
    if random.chance(0.5) {
        let x = random.between(30.0, 80.0);
        built::path(canvas, random, x, horizon + 12.0);
    }
    let count = 2 + random.below(2);
    let mut x = random.between(-6.0, 6.0);
    for _ in 0..count {
        let (y, size) = (horizon + random.between(12.0, 30.0), random.between(1.15, 1.5));
        built::house(canvas, random, (x, y), size);
        x += random.between(40.0, 50.0);
    }
    let count = 1 + random.below(3);
    for (at, size) in places(random, count, horizon + 26.0, 108.0) {
        match random.below(6) {
            0 | 1 => nature::tree(canvas, random, at, size),
            2 => built::person(canvas, random, at, size),
            3 => built::car(canvas, random, at, size * 0.9),
            _ => nature::flowers(canvas, random, at, 7),
        }
    }
    if random.chance(0.35) {
        built::fence(canvas, random, 108.0);
    }
}

fn forest(canvas: &mut Canvas, random: &mut Random, hour: Hour) {
    let horizon = random.between(34.0, 48.0);
    nature::sky(canvas, random, hour, horizon);
    nature::ground(canvas, random, GRASS, GREEN, horizon);
    if random.chance(0.5) {
        let x = random.between(30.0, 80.0);
        built::path(canvas, random, x, horizon + 4.0);
    }
    let (count, pines) = (8 + random.below(5), random.between(0.1, 0.6));
    for (at, size) in places(random, count, horizon + 4.0, 106.0) {
        if random.chance(pines) {
            nature::pine(canvas, random, at, size * 1.1, false);
        } else {
            nature::tree(canvas, random, at, size * 1.1);
        }
    }
    let count = random.below(3);
    for (at, size) in places(random, count, horizon + 30.0, 108.0) {
        match random.below(3) {
            0 => nature::rock(canvas, random, at, size, GREY),
            1 => built::person(canvas, random, at, size),
            _ => nature::flowers(canvas, random, at, 6),
        }
    }
}

fn mountain(canvas: &mut Canvas, random: &mut Random, hour: Hour) {
    let horizon = random.between(48.0, 62.0);
    nature::sky(canvas, random, hour, horizon);
    let (height, count) = (horizon * random.between(0.68, 0.9), 2 + random.below(3));
    nature::mountains(canvas, random, horizon, height, count);
    nature::ground(canvas, random, GRASS, GREEN, horizon + 2.0);
    let lake = random.chance(0.4);
    if lake {
        let shore = horizon + random.between(12.0, 18.0);
        nature::water(canvas, random, hour, shore, WIDTH);
        if random.chance(0.4) {
            let x = random.between(16.0, 96.0);
            built::boat(canvas, random, (x, shore + 22.0), 0.95);
        }
    }
    let (count, bottom) = (2 + random.below(4), if lake { horizon + 14.0 } else { 106.0 });
    for (at, size) in places(random, count, horizon + 5.0, bottom) {
        match random.below(7) {
            0 => nature::rock(canvas, random, at, size * 1.2, GREY),
            1 if !lake => nature::flowers(canvas, random, at, 7),
            2 if !lake => built::cow(canvas, random, at, size),
            3 => nature::tree(canvas, random, at, size),
            _ => nature::pine(canvas, random, at, size * 1.15, false),
        }
    }
    if random.chance(0.15) {
        let (x, y) = (random.between(14.0, 98.0), random.between(13.0, 24.0));
        built::balloon(canvas, random, (x, y), 0.8);
    }
}

fn farm(canvas: &mut Canvas, random: &mut Random, hour: Hour) {
    let horizon = random.between(36.0, 50.0);
    nature::sky(canvas, random, hour, horizon);
    if random.chance(0.5) {
        nature::hills(canvas, random, horizon, GREEN);
    }
    nature::ground(canvas, random, GRASS, GREEN, horizon);
    let (top, depth) = (horizon + random.between(4.0, 16.0), random.between(16.0, 34.0));
    nature::field(canvas, random, top, top + depth);
    if random.chance(0.5) {
        let x = random.between(0.0, 80.0);
        built::house(canvas, random, (x, top + 3.0), 0.95);
    }
    if random.chance(0.4) {
        let x = random.between(10.0, 100.0);
        nature::tree(canvas, random, (x, top + 3.0), 0.9);
    }
    let count = 1 + random.below(4);
    for (at, size) in places(random, count, top + depth, 108.0) {
        match random.below(6) {
            0 => built::person(canvas, random, at, size),
            1 => nature::flowers(canvas, random, at, 6),
            _ => built::cow(canvas, random, at, size * 1.1),
        }
    }
    if random.chance(0.55) {
        built::fence(canvas, random, 109.0);
    }
    if random.chance(0.15) {
        let (x, y) = (random.between(14.0, 98.0), random.between(13.0, 20.0));
        built::balloon(canvas, random, (x, y), 0.8);
    }
}

fn desert(canvas: &mut Canvas, random: &mut Random, hour: Hour) {
    let horizon = random.between(38.0, 56.0);
    nature::sky(canvas, random, hour, horizon);
    if random.chance(0.5) {
        let height = horizon * random.between(0.3, 0.5);
        nature::mountains(canvas, random, horizon, height, 2);
    } else {
        let color = random.pick(&[ORANGE, BROWN, YELLOW]);
        nature::hills(canvas, random, horizon, color);
    }
    let color = random.pick(&[YELLOW, ORANGE, ORANGE, BROWN]);
    nature::ground(canvas, random, SAND, color, horizon);
    if random.chance(0.2) {
        built::road(canvas, random, horizon + 12.0, horizon + 22.0);
    }
    let count = 3 + random.below(4);
    for (at, size) in places(random, count, horizon + 6.0, 107.0) {
        match random.below(8) {
            0 | 1 => nature::rock(canvas, random, at, size * 1.2, BROWN),
            2 => nature::palm(canvas, random, at, size),
            3 => built::person(canvas, random, at, size),
            _ => nature::cactus(canvas, random, at, size * 1.2),
        }
    }
    if random.chance(0.3) {
        let (x, y) = (random.between(14.0, 98.0), random.between(14.0, 24.0));
        built::balloon(canvas, random, (x, y), 0.7 + horizon / 140.0);
    }
}

fn ski_slope(canvas: &mut Canvas, random: &mut Random, hour: Hour) {
    let horizon = random.between(38.0, 56.0);
    nature::sky(canvas, random, hour, horizon);
    if random.chance(0.6) {
        let height = horizon * random.between(0.5, 0.85);
        nature::mountains(canvas, random, horizon, height, 3);
    } else {
        nature::hills(canvas, random, horizon, WHITE);
    }
    nature::ground(canvas, random, SNOW, WHITE, horizon);
    if random.chance(0.3) {
        let x = random.between(0.0, 80.0);
        built::house(canvas, random, (x, horizon + 16.0), 0.9);
    }
    let count = 3 + random.below(4);
    for (at, size) in places(random, count, horizon + 6.0, 107.0) {
        match random.below(6) {
            0 => built::person(canvas, random, at, size),
            1 => built::snowman(canvas, random, at, size),
            _ => nature::pine(canvas, random, at, size * 1.15, true),
        }
    }
}
