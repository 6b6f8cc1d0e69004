//! Buildings, vehicles and other objects outdoors, people and animals.

use compexp_core::random::Random;

use super::canvas::{Brush, Canvas, Ink, Pattern, SIDE, ink};
use super::labels::*;
use super::nature::{rock, shadow};

const WIDTH: f32 = SIDE as f32;
/// Colours that things are painted in.
const BRIGHT: [u8; 9] = [RED, BLUE, YELLOW, GREEN, ORANGE, PURPLE, PINK, WHITE, BROWN];

/// A house with its lower left corner at `(x, y)`; some 26 by 34 pixels at size 1.
pub(super) fn house(canvas: &mut Canvas, random: &mut Random, (x, y): (f32, f32), size: f32) {
    let (w, h) = (26.0 * size, random.between(14.0, 18.0) * size);
    shadow(canvas, (x + w / 2.0, y), w * 0.62);
    let paint = random.pick(&[WHITE, YELLOW, PINK, BLUE, ORANGE, GREY, GREEN, BROWN]);
    let mut body = Brush::new(HOUSE, ink(paint, random));
    let tiles = random.pick(&[RED, BROWN, GREY, PURPLE, BLACK]);
    let smoke = Brush::new(HOUSE, ink(paint, random)).part(CHIMNEY, ink(random.pick(&[RED, GREY, BROWN]), random));
    if random.chance(0.6) {
        let at = x + w * random.pick(&[0.2, 0.7]);
        canvas.rectangle([at, y - h - 11.0 * size, at + 3.5 * size, y - h], &smoke.light(-0.1, 0.0));
    }
    if random.chance(0.2) {
        body = body.pattern(Pattern::Chequered(2.2 * size), ink(if paint == WHITE { RED } else { WHITE }, random));
    }
    canvas.rectangle([x, y - h, x + w, y], &body.light(-0.06, -0.03));
    let mut roof = Brush::new(HOUSE, ink(paint, random)).part(ROOF, ink(tiles, random));
    if random.chance(0.3) {
        roof = roof.pattern(Pattern::Striped(0.0, 0.5 / size), ink(tiles, random).times(0.8));
    }
    let eaves = 2.5 * size;
    canvas.polygon(
        &[(x - eaves, y - h), (x + w * 0.5, y - h - 11.0 * size), (x + w + eaves, y - h)],
        &roof.light(-0.1, 0.05),
    );
    let door = body.part(DOOR, ink(random.pick(&[BROWN, RED, GREEN, BLUE]), random)).light(-0.05, 0.0);
    let at = x + w * random.pick(&[0.12, 0.42]);
    canvas.rectangle([at, y - 9.5 * size, at + 5.5 * size, y], &door);
    let lit = ink(random.pick(&[YELLOW, BLUE, BLUE]), random).pale(0.2);
    for column in [0.16, 0.7] {
        let left = x + w * column;
        if (left - at).abs() > 6.0 * size {
            window(canvas, &body, [left, y - h * 0.72, left + 5.0 * size, y - h * 0.72 + 5.5 * size], lit, random);
        }
    }
}

fn window(canvas: &mut Canvas, of: &Brush, area: [f32; 4], glass: Ink, random: &mut Random) {
    let [left, top, right, bottom] = area;
    let frame = of.part(WINDOW, ink(WHITE, random));
    canvas.rectangle([left - 0.7, top - 0.7, right + 0.7, bottom + 0.7], &frame);
    canvas.rectangle(area, &of.part(WINDOW, glass).light(-0.1, -0.1));
    let middle = (left + right) / 2.0;
    if right - left > 4.0 {
        canvas.rectangle([middle - 0.4, top, middle + 0.4, bottom], &frame);
    }
}

/// A tall building between `left` and `right`, from `top` to `bottom`.
pub(super) fn building(canvas: &mut Canvas, random: &mut Random, [left, top, right, bottom]: [f32; 4]) {
    let color = random.pick(&[GREY, BROWN, RED, WHITE, BLUE, ORANGE, PURPLE]);
    let body = Brush::new(BUILDING, ink(color, random).times(0.93)).light(-0.08, -0.04);
    canvas.rectangle([left, top, right, bottom], &body);
    canvas.rectangle(
        [left - 0.8, top, right + 0.8, top + 2.0],
        &body.part(ROOF, ink(random.pick(&[GREY, BROWN, BLACK]), random)),
    );
    let glass = random.pick(&[BLUE, BLUE, YELLOW, BLACK]);
    let columns = (((right - left) / 7.5) as usize).max(2);
    let step = (right - left) / columns as f32;
    let mut y = top + 5.0;
    while y + 5.0 < bottom - 11.0 {
        for column in 0..columns {
            let x = left + (column as f32 + 0.5) * step - 1.8;
            let shade = ink(glass, random).times(random.between(0.9, 1.1));
            canvas.rectangle([x, y, x + 3.6, y + 4.6], &body.part(WINDOW, shade).light(-0.1, -0.1));
        }
        y += 8.0;
    }
    let x = left + (right - left) * random.between(0.3, 0.6);
    canvas.rectangle(
        [x, bottom - 8.5, x + 5.0, bottom],
        &body.part(DOOR, ink(random.pick(&[BROWN, RED, BLACK]), random)),
    );
}

/// A road across the picture from `top` to `bottom`, with a dashed line.
pub(super) fn road(canvas: &mut Canvas, random: &mut Random, top: f32, bottom: f32) {
    let brush = Brush::new(ROAD, ink(random.pick(&[GREY, GREY, BLACK]), random).times(0.85)).light(0.0, -0.06);
    canvas.rectangle([0.0, top, WIDTH, bottom], &brush);
    let middle = (top + bottom) / 2.0;
    let white = Brush::new(ROAD, ink(random.pick(&[WHITE, WHITE, YELLOW]), random));
    let mut x = random.between(-12.0, 0.0);
    while x < WIDTH {
        canvas.rectangle([x, middle - 0.8, x + 8.0, middle + 0.8], &white);
        x += 15.0;
    }
}

/// A way that narrows from the lower edge to `(x, top)`.
pub(super) fn path(canvas: &mut Canvas, random: &mut Random, x: f32, top: f32) {
    let brush = Brush::new(PATH, ink(random.pick(&[BROWN, YELLOW, GREY]), random).pale(0.12));
    let (near, bend) = (random.between(30.0, 82.0), random.between(-14.0, 14.0));
    canvas.fill([0.0, top, WIDTH, WIDTH], &brush.light(0.0, -0.06), |px, py| {
        let t = (py - top) / (WIDTH - top);
        let middle = x + (near - x) * t + bend * 4.0 * t * (1.0 - t);
        (px - middle).abs() < 1.8 + 12.0 * t
    });
}

/// A car that stands at `(x, y)`, its left wheel first; some 28 pixels long at size 1.
pub(super) fn car(canvas: &mut Canvas, random: &mut Random, (x, y): (f32, f32), size: f32) {
    let at = |dx: f32, dy: f32| (x + dx * size, y - dy * size);
    shadow(canvas, at(14.0, 0.0), 17.0 * size);
    let paint = ink(random.pick(&[RED, BLUE, YELLOW, GREEN, WHITE, ORANGE, PURPLE, BLACK]), random);
    let body = Brush::new(CAR, paint).light(-0.05, -0.12);
    canvas.polygon(&[at(5.0, 9.0), at(9.0, 14.5), at(19.5, 14.5), at(23.5, 9.0)], &body);
    canvas.polygon(&[at(0.0, 3.0), at(0.5, 8.6), at(4.0, 9.4), at(26.0, 9.4), at(28.5, 7.5), at(28.5, 3.0)], &body);
    let glass = body.part(WINDOW, ink(BLUE, random).pale(0.45));
    canvas.polygon(&[at(7.2, 9.4), at(10.0, 13.3), at(13.7, 13.3), at(13.7, 9.4)], &glass);
    canvas.polygon(&[at(15.0, 9.4), at(15.0, 13.3), at(18.7, 13.3), at(21.4, 9.4)], &glass);
    for wheel in [6.0, 22.0] {
        let tyre = body.part(WHEEL, ink(BLACK, random)).light(0.0, 0.0);
        canvas.ellipse(at(wheel, 3.0), (3.5 * size, 3.5 * size), &tyre);
        canvas.ellipse(at(wheel, 3.0), (1.5 * size, 1.5 * size), &tyre.part(WHEEL, ink(GREY, random).pale(0.2)));
    }
    canvas.ellipse(at(27.6, 6.9), (1.0 * size, 1.0 * size), &Brush::new(CAR, ink(YELLOW, random)));
}

/// A sailing boat whose keel is at `(x, y)`; some 24 pixels long at size 1.
pub(super) fn boat(canvas: &mut Canvas, random: &mut Random, (x, y): (f32, f32), size: f32) {
    let at = |dx: f32, dy: f32| (x + dx * size, y - dy * size);
    canvas.glow((x, y + 0.5), (13.0 * size, 2.4 * size), 0.7);
    let paint = ink(random.pick(&[BROWN, RED, WHITE, BLUE, GREEN]), random);
    let whole = Brush::new(BOAT, paint);
    let mast = whole.part(0, ink(BROWN, random).times(0.8));
    canvas.rectangle([x - 0.7 * size, y - 24.0 * size, x + 0.7 * size, y - 4.0 * size], &mast);
    let cloth = ink(random.pick(&[WHITE, WHITE, RED, YELLOW, ORANGE, PINK]), random);
    let mut sail = whole.part(SAIL, cloth);
    if random.chance(0.35) {
        let second = ink(if cloth.label == WHITE { random.pick(&[RED, BLUE]) } else { WHITE }, random);
        sail = sail.pattern(Pattern::Striped(0.0, 0.3 / size), second);
    }
    let sail = sail.light(0.08, 0.0);
    canvas.polygon(&[at(1.4, 24.0), at(11.5, 7.0), at(1.4, 7.0)], &sail);
    canvas.polygon(&[at(-1.4, 21.0), at(-8.5, 7.0), at(-1.4, 7.0)], &sail);
    let hull = whole.part(HULL, paint).light(0.0, -0.15);
    canvas.polygon(&[at(-12.0, 5.2), at(12.5, 5.2), at(8.5, 0.0), at(-8.5, 0.0)], &hull);
}

/// A lighthouse on a rock.
pub(super) fn lighthouse(canvas: &mut Canvas, random: &mut Random, (x, y): (f32, f32), size: f32) {
    let at = |dx: f32, dy: f32| (x + dx * size, y - dy * size);
    let stone = if x > WIDTH / 2.0 { GREY } else { BROWN };
    rock(canvas, random, (x, y + 3.0 * size), 1.6 * size, stone);
    let (first, second) = (ink(WHITE, random), ink(random.pick(&[RED, RED, BLUE, BLACK]), random));
    let tower = Brush::new(LIGHTHOUSE, first).pattern(Pattern::Striped(0.0, 0.14 / size), second).light(-0.15, 0.0);
    canvas.polygon(&[at(-5.5, 0.0), at(-3.2, 34.0), at(3.2, 34.0), at(5.5, 0.0)], &tower);
    canvas.glow(at(0.0, 37.5), (15.0 * size, 8.0 * size), 1.15);
    canvas.rectangle(
        [x - 2.6 * size, y - 40.0 * size, x + 2.6 * size, y - 34.0 * size],
        &tower.part(LANTERN, ink(YELLOW, random)),
    );
    canvas.polygon(&[at(-4.0, 40.0), at(0.0, 44.5), at(4.0, 40.0)], &tower.part(ROOF, second));
}

/// A wooden fence across the picture.
pub(super) fn fence(canvas: &mut Canvas, random: &mut Random, y: f32) {
    let brush = Brush::new(FENCE, ink(random.pick(&[WHITE, BROWN, BROWN]), random));
    let step = random.between(8.0, 11.0);
    for rail in [4.0, 8.0] {
        canvas.rectangle([0.0, y - rail - 0.8, WIDTH, y - rail + 0.8], &brush.light(0.0, 0.1));
    }
    let mut x = random.between(0.0, step);
    while x < WIDTH {
        canvas.rectangle([x, y - 10.5, x + 2.2, y], &brush.light(-0.12, 0.0));
        x += step;
    }
}

/// A lamp post.
pub(super) fn streetlight(canvas: &mut Canvas, random: &mut Random, (x, y): (f32, f32), size: f32) {
    let post = Brush::new(STREETLIGHT, ink(random.pick(&[BLACK, GREY]), random));
    canvas.rectangle([x - 0.9 * size, y - 34.0 * size, x + 0.9 * size, y], &post);
    canvas.rectangle([x - 2.2 * size, y - 2.0 * size, x + 2.2 * size, y], &post);
    let (left, right) = (x - 3.0 * size, x + 3.0 * size);
    let lantern = post.part(LANTERN, ink(YELLOW, random));
    canvas.glow((x, y - 36.5 * size), (11.0 * size, 11.0 * size), 1.15);
    canvas.polygon(
        &[
            (left, y - 40.0 * size),
            (right, y - 40.0 * size),
            (x + 1.8 * size, y - 34.0 * size),
            (x - 1.8 * size, y - 34.0 * size),
        ],
        &lantern,
    );
    canvas.polygon(&[(left - 0.8, y - 40.0 * size), (x, y - 43.5 * size), (right + 0.8, y - 40.0 * size)], &post);
}

/// A hot-air balloon around `(x, y)`.
pub(super) fn balloon(canvas: &mut Canvas, random: &mut Random, (x, y): (f32, f32), size: f32) {
    let first = ink(random.pick(&BRIGHT), random);
    let second = ink(if first.label == WHITE { RED } else { random.pick(&[WHITE, YELLOW, BLUE]) }, random);
    let pattern = random.pick(&[
        Pattern::Striped(0.28 / size, 0.0),
        Pattern::Zigzagged(4.5 * size),
        Pattern::Chequered(4.0 * size),
    ]);
    let whole = Brush::new(BALLOON, first).light(-0.14, -0.12);
    let rope = whole.part(0, ink(BROWN, random));
    for side in [-1.0, 1.0] {
        canvas.line((x + side * 5.0 * size, y + 6.0 * size), (x + side * 1.6 * size, y + 14.0 * size), 0.7, &rope);
    }
    let envelope = whole.pattern(pattern, second);
    canvas.fill([x - 9.5 * size, y - 10.0 * size, x + 9.5 * size, y + 11.0 * size], &envelope, |px, py| {
        let (u, v) = ((px - x) / (9.5 * size), (py - y) / (10.0 * size));
        if v < 0.15 { u * u + v * v < 1.0 } else { u.abs() < 0.99 - (v - 0.15) * 0.82 && v < 1.06 }
    });
    canvas.rectangle(
        [x - 2.2 * size, y + 13.0 * size, x + 2.2 * size, y + 17.0 * size],
        &whole.part(BASKET, ink(BROWN, random)),
    );
}

/// A beach umbrella whose pole stands at `(x, y)`.
pub(super) fn umbrella(canvas: &mut Canvas, random: &mut Random, (x, y): (f32, f32), size: f32) {
    shadow(canvas, (x + 2.0, y), 12.0 * size);
    let first = ink(random.pick(&[RED, BLUE, YELLOW, ORANGE, PINK, GREEN, PURPLE]), random);
    let pole = Brush::new(UMBRELLA, ink(random.pick(&[WHITE, BROWN]), random));
    canvas.rectangle([x - 0.8 * size, y - 22.0 * size, x + 0.8 * size, y], &pole);
    let white = ink(WHITE, random);
    let pattern = random.pick(&[
        Pattern::Striped(0.22 / size, 0.0),
        Pattern::Striped(0.22 / size, 0.0),
        Pattern::Dotted(5.0 * size),
    ]);
    let canopy = Brush::new(UMBRELLA, first).pattern(pattern, white).light(-0.08, -0.1);
    let (a, b, top) = (13.0 * size, 9.0 * size, y - 18.0 * size);
    canvas
        .fill([x - a, top - b, x + a, top], &canopy, |px, py| ((px - x) / a).powi(2) + ((py - top) / b).powi(2) < 1.0);
}

/// A person whose feet are at `(x, y)`; some 18 pixels tall at size 1.
pub(super) fn person(canvas: &mut Canvas, random: &mut Random, (x, y): (f32, f32), size: f32) {
    shadow(canvas, (x, y), 4.0 * size);
    let shirt = ink(random.pick(&BRIGHT), random);
    let whole = Brush::new(PERSON, shirt);
    let legs = whole.part(LEG, ink(random.pick(&[BLUE, BLACK, BROWN, GREY]), random).times(0.85));
    for side in [-1.4, 1.4] {
        canvas.line((x + side * size, y - 0.8 * size), (x + side * 0.7 * size, y - 7.0 * size), 2.0 * size, &legs);
    }
    let mut torso = whole.part(TORSO, shirt);
    if random.chance(0.3) {
        torso = torso
            .pattern(Pattern::Striped(0.0, 0.5 / size), ink(if shirt.label == WHITE { BLUE } else { WHITE }, random));
    }
    for side in [-1.0, 1.0] {
        canvas.line(
            (x + side * 1.8 * size, y - 12.0 * size),
            (x + side * 4.2 * size, y - 8.0 * size),
            1.7 * size,
            &whole.part(TORSO, shirt),
        );
    }
    canvas.ellipse((x, y - 10.0 * size), (3.1 * size, 4.4 * size), &torso);
    let skin = ink(random.pick(&[PINK, BROWN, ORANGE]), random).pale(0.15);
    canvas.ellipse((x, y - 16.2 * size), (2.4 * size, 2.6 * size), &whole.part(HEAD, skin));
    let hair = ink(random.pick(&[BLACK, BROWN, YELLOW]), random);
    canvas.ellipse((x, y - 17.6 * size), (2.5 * size, 1.5 * size), &whole.part(HEAD, hair));
}

/// A cow, spotted.
pub(super) fn cow(canvas: &mut Canvas, random: &mut Random, (x, y): (f32, f32), size: f32) {
    let side = random.pick(&[-1.0, 1.0]);
    let at = |dx: f32, dy: f32| (x + side * dx * size, y - dy * size);
    shadow(canvas, (x, y), 10.0 * size);
    let hide = ink(random.pick(&[WHITE, WHITE, BROWN]), random);
    let spots = ink(if hide.label == WHITE { random.pick(&[BLACK, BROWN]) } else { WHITE }, random);
    let whole = Brush::new(COW, hide);
    for leg in [-5.5, -3.0, 3.5, 6.0] {
        canvas.line(at(leg, 1.0), at(leg, 6.0), 1.9 * size, &whole.part(LEG, hide.times(0.9)));
    }
    canvas.ellipse(
        at(0.0, 8.0),
        (8.6 * size, 4.8 * size),
        &whole.pattern(Pattern::Dotted(5.2 * size), spots).light(0.0, -0.12),
    );
    canvas.ellipse(at(9.4, 11.6), (3.2 * size, 2.7 * size), &whole.part(HEAD, spots));
    canvas.ellipse(at(11.2, 10.8), (1.7 * size, 1.5 * size), &whole.part(HEAD, ink(PINK, random)));
}

/// A snowman with a hat and a carrot.
pub(super) fn snowman(canvas: &mut Canvas, random: &mut Random, (x, y): (f32, f32), size: f32) {
    shadow(canvas, (x, y), 9.0 * size);
    let snow = ink(WHITE, random);
    let whole = Brush::new(SNOWMAN, snow).light(-0.06, -0.08);
    canvas.ellipse((x, y - 6.0 * size), (7.2 * size, 6.6 * size), &whole);
    canvas.ellipse((x, y - 15.0 * size), (5.2 * size, 4.8 * size), &whole);
    let head = (x, y - 22.0 * size);
    canvas.ellipse(head, (3.9 * size, 3.7 * size), &whole.part(HEAD, snow));
    let coal = Brush::new(SNOWMAN, ink(BLACK, random));
    for dy in [-17.0, -14.0] {
        canvas.ellipse((x, y + dy * size), (0.8 * size, 0.8 * size), &coal);
    }
    for side in [-1.4, 1.4] {
        canvas.ellipse(
            (x + side * size, y - 23.0 * size),
            (0.7 * size, 0.7 * size),
            &coal.part(HEAD, ink(BLACK, random)),
        );
    }
    let tip = (x + 4.5 * size, y - 21.3 * size);
    canvas.polygon(&[(x, y - 22.2 * size), tip, (x, y - 20.8 * size)], &coal.part(HEAD, ink(ORANGE, random)));
    let hat = coal.part(HAT, ink(random.pick(&[BLACK, RED, BLUE, PURPLE]), random));
    canvas.rectangle([x - 4.6 * size, y - 26.2 * size, x + 4.6 * size, y - 24.8 * size], &hat);
    canvas.rectangle([x - 2.9 * size, y - 31.0 * size, x + 2.9 * size, y - 25.5 * size], &hat);
    let scarf = Brush::new(SNOWMAN, ink(random.pick(&[RED, GREEN, BLUE, YELLOW]), random));
    canvas.rectangle([x - 3.6 * size, y - 19.6 * size, x + 3.6 * size, y - 17.8 * size], &scarf);
}

/// A wooden pier that leads into the water.
pub(super) fn pier(canvas: &mut Canvas, random: &mut Random, x: f32, top: f32) {
    let (plank, gap) = (ink(BROWN, random), ink(BROWN, random).times(0.75));
    let brush = Brush::new(PIER, plank).pattern(Pattern::Striped(0.0, 0.25), gap);
    let near = x + random.between(-10.0, 10.0);
    canvas.polygon(&[(x - 3.5, top), (x + 3.5, top), (near + 13.0, WIDTH), (near - 13.0, WIDTH)], &brush);
}
