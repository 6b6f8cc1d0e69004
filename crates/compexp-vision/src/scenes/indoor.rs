//! Rooms and their furniture.

use compexp_core::random::Random;

use super::canvas::{Brush, Canvas, Pattern, SIDE, ink};
use super::labels::*;
use super::nature::shadow;

const WIDTH: f32 = SIDE as f32;
/// Colours of cloth and paint.
const CLOTH: [u8; 9] = [RED, BLUE, YELLOW, GREEN, ORANGE, PURPLE, PINK, WHITE, GREY];

/// A cloth in one colour, or in two and patterned with probability `p`; `size` is that of the pattern in pixels.
fn cloth(brush: Brush, first: u8, size: f32, p: f32, random: &mut Random) -> Brush {
    if !random.chance(p) {
        return brush;
    }
    let other = if first == WHITE { random.pick(&[RED, BLUE, PINK, GREEN]) } else { random.pick(&[WHITE, YELLOW]) };
    let second = ink(if other == first { WHITE } else { other }, random);
    let patterns = [
        Pattern::Striped(0.7 / size, 0.0),
        Pattern::Striped(0.0, 0.7 / size),
        Pattern::Dotted(1.6 * size),
        Pattern::Chequered(size),
        Pattern::Zigzagged(size),
    ];
    brush.pattern(random.pick(&patterns), second)
}

/// Wall and floor; `edge` is where they meet. `tiled` floors are chequered, others of planks or plain.
pub(super) fn room(canvas: &mut Canvas, random: &mut Random, edge: f32, tiled: bool) {
    let color = random.pick(&[WHITE, YELLOW, BLUE, GREEN, PINK, ORANGE, GREY]);
    let paint = ink(color, random).pale(0.3);
    let mut wall = Brush::new(WALL, paint);
    if random.chance(0.4) {
        let second = ink(color, random).pale(0.55).times(if color == WHITE { 0.9 } else { 1.0 });
        let patterns = [Pattern::Striped(0.16, 0.0), Pattern::Dotted(9.0), Pattern::Zigzagged(7.0)];
        wall = wall.pattern(random.pick(&patterns), second);
    }
    canvas.rectangle([0.0, 0.0, WIDTH, edge], &wall.light(0.0, -0.04));
    let first = if tiled { random.pick(&[WHITE, YELLOW, GREY]) } else { random.pick(&[BROWN, BROWN, GREY, ORANGE]) };
    let board = ink(first, random);
    let mut floor = Brush::new(FLOOR, board);
    if tiled {
        let second = ink(random.pick(&[BLACK, BLUE, RED, GREEN]), random).pale(0.15);
        floor = floor.pattern(Pattern::Chequered(9.0), second);
    } else if random.chance(0.6) {
        floor = floor.pattern(Pattern::Striped(0.0, 0.2), board.times(0.86));
    }
    canvas.rectangle([0.0, edge, WIDTH, WIDTH], &floor.light(0.0, -0.08));
    let ledge = Brush::new(WALL, ink(WHITE, random).times(0.97));
    canvas.rectangle([0.0, edge - 2.5, WIDTH, edge], &ledge);
    canvas.glow((WIDTH / 2.0, edge + 1.0), (WIDTH * 0.8, 4.0), 0.85);
}

/// A window in the wall with its upper left corner at `(x, y)`, and the sky in its panes.
pub(super) fn window(canvas: &mut Canvas, random: &mut Random, (x, y): (f32, f32), (w, h): (f32, f32)) {
    let wood = ink(random.pick(&[WHITE, WHITE, BROWN]), random);
    let frame = Brush::new(WINDOW, wood).part(FRAME, wood);
    canvas.rectangle([x - 2.0, y - 2.0, x + w + 2.0, y + h + 2.0], &frame.light(-0.05, -0.05));
    let sky = ink(random.pick(&[BLUE, BLUE, BLUE, ORANGE, GREY, BLACK]), random).pale(0.2);
    canvas.rectangle([x, y, x + w, y + h], &frame.part(PANE, sky).light(-0.05, 0.12));
    canvas.rectangle([x + w / 2.0 - 0.8, y, x + w / 2.0 + 0.8, y + h], &frame);
    canvas.rectangle([x, y + h / 2.0 - 0.8, x + w, y + h / 2.0 + 0.8], &frame);
    canvas.rectangle([x - 3.5, y + h + 1.5, x + w + 3.5, y + h + 3.5], &frame.light(0.0, -0.1));
}

/// A framed picture: a hill and a sun, or a pattern.
pub(super) fn picture(canvas: &mut Canvas, random: &mut Random, (x, y): (f32, f32), (w, h): (f32, f32)) {
    canvas.glow((x + w / 2.0 + 1.0, y + h / 2.0 + 1.5), (w * 0.8, h * 0.8), 0.8);
    let wood = ink(random.pick(&[BROWN, BLACK, YELLOW]), random);
    let frame = Brush::new(PICTURE, wood).part(FRAME, wood);
    canvas.rectangle([x, y, x + w, y + h], &frame.light(-0.1, -0.1));
    let area = [x + 1.8, y + 1.8, x + w - 1.8, y + h - 1.8];
    let back = random.pick(&CLOTH);
    let inner = Brush::new(PICTURE, ink(back, random));
    if random.chance(0.45) {
        canvas.rectangle(area, &cloth(inner, back, 3.0, 1.0, random));
        return;
    }
    canvas.rectangle(area, &inner);
    let hill = Brush::new(PICTURE, ink(if back == GREEN { PURPLE } else { GREEN }, random));
    let middle = x + w * random.between(0.3, 0.7);
    canvas.fill(area, &hill, |px, py| py > y + h * 0.55 + (px - middle).powi(2) / (w * 0.9));
    let sun = Brush::new(PICTURE, ink(if back == YELLOW { RED } else { YELLOW }, random));
    canvas.ellipse((x + w * 0.68, y + h * 0.34), (h * 0.12, h * 0.12), &sun);
}

/// A standing lamp, or on a table one if it is small.
pub(super) fn lamp(canvas: &mut Canvas, random: &mut Random, (x, y): (f32, f32), height: f32) {
    let stand = Brush::new(LAMP, ink(random.pick(&[BLACK, BROWN, GREY]), random));
    let width = (height * 0.26).clamp(5.0, 9.0);
    let top = y - height;
    canvas.rectangle([x - 0.9, top + width, x + 0.9, y], &stand);
    canvas.ellipse((x, y - 0.6), (width * 0.5, 1.6), &stand);
    canvas.glow((x, top + width * 0.6), (width * 2.6, width * 2.6), 1.14);
    let color = random.pick(&[YELLOW, YELLOW, WHITE, ORANGE, RED]);
    let shade = cloth(stand.part(SHADE, ink(color, random)), color, 2.5, 0.25, random);
    let corners = [
        (x - width * 0.5, top),
        (x + width * 0.5, top),
        (x + width * 0.85, top + width * 1.25),
        (x - width * 0.85, top + width * 1.25),
    ];
    canvas.polygon(&corners, &shade.light(-0.08, 0.06));
}

/// A plant in a pot.
pub(super) fn plant(canvas: &mut Canvas, random: &mut Random, (x, y): (f32, f32), size: f32) {
    shadow(canvas, (x, y), 7.0 * size);
    let leaf = ink(GREEN, random);
    for dx in [-8.0, 8.0, -5.5, 5.5, -2.0, 2.5] {
        let tip = (x + dx * size, y - (24.0 - (dx * 0.9_f32).abs() + random.between(-2.0, 2.0)) * size);
        canvas.line((x, y - 7.0 * size), tip, 3.0 * size, &Brush::new(PLANT, leaf.times(random.between(0.8, 1.12))));
    }
    let clay = ink(random.pick(&[ORANGE, BROWN, WHITE, BLUE]), random);
    let pot = Brush::new(PLANT, leaf).part(POT, clay).light(-0.12, 0.0);
    canvas.polygon(
        &[(x - 5.5 * size, y - 9.0 * size), (x + 5.5 * size, y - 9.0 * size), (x + 4.0 * size, y), (x - 4.0 * size, y)],
        &pot,
    );
}

/// A bed seen from its side, its head at the left if `side` is 1; some 68 pixels long.
pub(super) fn bed(canvas: &mut Canvas, random: &mut Random, (x, y): (f32, f32), side: f32) {
    const SIZE: f32 = 1.3;
    let span = |from: f32, to: f32| {
        let (a, b) = (x + side * from * SIZE, x + side * to * SIZE);
        (a.min(b), a.max(b))
    };
    let block = |from: f32, to: f32, top: f32, bottom: f32| {
        let (left, right) = span(from, to);
        [left, y - top * SIZE, right, y - bottom * SIZE]
    };
    shadow(canvas, (x + side * 26.0 * SIZE, y), 30.0 * SIZE);
    let wood = ink(random.pick(&[BROWN, BROWN, WHITE, BLACK]), random);
    let whole = Brush::new(BED, wood);
    let legs = whole.part(LEG, wood.times(0.85));
    canvas.rectangle(block(1.0, 4.0, 6.0, 0.0), &legs);
    canvas.rectangle(block(49.0, 52.0, 6.0, 0.0), &legs);
    let sheet = ink(WHITE, random);
    canvas.rectangle(block(2.0, 53.0, 13.0, 4.0), &Brush::new(BED, sheet).light(0.0, -0.05));
    let color = random.pick(&CLOTH);
    let blanket = cloth(Brush::new(BED, ink(color, random)), color, 5.0, 0.5, random);
    canvas.rectangle(block(17.0, 53.0, 15.0, 4.5), &blanket.light(0.0, -0.1));
    canvas.rectangle(block(0.0, 3.5, 25.0, 3.0), &whole.part(HEADBOARD, wood).light(0.08, -0.05));
    let color = random.pick(&[WHITE, WHITE, PINK, BLUE, YELLOW]);
    let (left, right) = span(4.0, 15.5);
    let pillow = whole.part(PILLOW, ink(color, random)).light(-0.05, -0.08);
    canvas.ellipse(((left + right) / 2.0, y - 15.0 * SIZE), ((right - left) / 2.0, 3.8 * SIZE), &pillow);
}

/// A sofa; some 62 pixels long.
pub(super) fn sofa(canvas: &mut Canvas, random: &mut Random, (x, y): (f32, f32)) {
    const SIZE: f32 = 1.3;
    let block = |left: f32, top: f32, right: f32, bottom: f32| {
        [x + left * SIZE, y - top * SIZE, x + right * SIZE, y - bottom * SIZE]
    };
    shadow(canvas, (x + 24.0 * SIZE, y), 28.0 * SIZE);
    let color = random.pick(&CLOTH);
    let whole = Brush::new(SOFA, ink(color, random));
    let legs = whole.part(LEG, ink(random.pick(&[BROWN, BLACK]), random));
    canvas.rectangle(block(2.0, 4.0, 5.0, 0.0), &legs);
    canvas.rectangle(block(43.0, 4.0, 46.0, 0.0), &legs);
    let dressed = cloth(whole, color, 4.5, 0.35, random);
    let shade = ink(color, random).times(0.9);
    canvas.rectangle(block(2.0, 23.0, 46.0, 9.0), &dressed.light(0.0, -0.08));
    canvas.rectangle(block(4.0, 12.0, 44.0, 3.0), &Brush::new(SOFA, shade).light(0.0, -0.12));
    for left in [0.0, 42.0] {
        canvas.rectangle(block(left, 16.0, left + 6.0, 3.0), &Brush::new(SOFA, shade).light(-0.06, -0.06));
        let rest = Brush::new(SOFA, shade.times(1.08));
        canvas.ellipse((x + (left + 3.0) * SIZE, y - 16.0 * SIZE), (3.4 * SIZE, 2.6 * SIZE), &rest);
    }
    for at in [12.0, 35.0] {
        if random.chance(0.75) {
            let color = random.pick(&CLOTH);
            let cushion = whole.part(CUSHION, ink(color, random));
            let cushion = cloth(cushion, color, 2.5, 0.5, random).light(-0.08, -0.08);
            let (cx, cy, r) = (x + at * SIZE, y - 15.0 * SIZE, 6.0 * SIZE);
            canvas.polygon(&[(cx, cy - r), (cx + r, cy), (cx, cy + r), (cx - r, cy)], &cushion);
        }
    }
}

/// A table whose top spans `w` pixels from `x`.
pub(super) fn table(canvas: &mut Canvas, random: &mut Random, (x, y): (f32, f32), (w, h): (f32, f32)) {
    shadow(canvas, (x + w / 2.0, y), w * 0.55);
    let wood = ink(random.pick(&[BROWN, BROWN, WHITE, BLACK]), random);
    let whole = Brush::new(TABLE, wood);
    for left in [x + 2.0, x + w - 4.5] {
        canvas.rectangle([left, y - h, left + 2.5, y], &whole.part(LEG, wood.times(0.85)).light(-0.1, 0.0));
    }
    if random.chance(0.4) {
        let color = random.pick(&CLOTH);
        let over = cloth(Brush::new(TABLE, ink(color, random)), color, 3.0, 0.7, random);
        canvas.rectangle([x - 0.5, y - h - 2.0, x + w + 0.5, y - h + 4.5], &over.light(0.0, -0.08));
    } else {
        canvas.rectangle([x - 1.0, y - h - 2.0, x + w + 1.0, y - h + 1.0], &whole.light(0.0, -0.1));
    }
}

/// A chair that faces right if `side` is 1.
pub(super) fn chair(canvas: &mut Canvas, random: &mut Random, (x, y): (f32, f32), side: f32) {
    shadow(canvas, (x, y), 8.0);
    let wood = ink(random.pick(&[BROWN, RED, WHITE, BLUE, YELLOW]), random);
    let whole = Brush::new(CHAIR, wood);
    let leg = whole.part(LEG, wood.times(0.85));
    for dx in [-5.0, 4.0] {
        canvas.rectangle([x + dx, y - 10.0, x + dx + 1.8, y], &leg);
    }
    canvas.rectangle([x - 6.0, y - 12.0, x + 6.5, y - 9.5], &whole.light(0.0, -0.1));
    let at = x + if side > 0.0 { -6.0 } else { 4.3 };
    let back = whole.part(BACK, wood).light(-0.08, 0.0);
    canvas.rectangle([at, y - 26.0, at + 2.2, y - 10.0], &back);
    canvas.rectangle([at - 1.0, y - 27.0, at + 3.2, y - 19.0], &back);
}

/// A row of cupboards with doors between `left` and `right`.
pub(super) fn cupboard(canvas: &mut Canvas, random: &mut Random, [left, top, right, bottom]: [f32; 4]) {
    let color = random.pick(&[WHITE, BROWN, BLUE, GREEN, RED, YELLOW]);
    let body = Brush::new(CUPBOARD, ink(color, random));
    canvas.rectangle([left, top, right, bottom], &body.light(0.0, -0.05));
    let doors = (((right - left) / 13.0).round() as usize).max(1);
    let step = (right - left) / doors as f32;
    for i in 0..doors {
        let x = left + step * i as f32;
        let shade = ink(color, random).times(0.9);
        canvas
            .rectangle([x + 1.3, top + 2.5, x + step - 1.3, bottom - 1.5], &body.part(DOOR, shade).light(-0.05, -0.05));
        canvas.ellipse((x + step * 0.8, (top + bottom) / 2.0), (0.9, 0.9), &body.part(DOOR, ink(BLACK, random)));
    }
}

/// A stove with an oven.
pub(super) fn stove(canvas: &mut Canvas, random: &mut Random, [left, top, right, bottom]: [f32; 4]) {
    let body = Brush::new(STOVE, ink(random.pick(&[WHITE, GREY, BLACK]), random));
    canvas.rectangle([left, top, right, bottom], &body.light(-0.05, 0.0));
    let glass = ink(random.pick(&[BLACK, ORANGE]), random);
    canvas.rectangle([left + 2.5, top + 9.0, right - 2.5, bottom - 3.5], &body.part(OVEN, glass).light(-0.1, -0.2));
    canvas.rectangle([left + 3.0, top + 6.6, right - 3.0, top + 7.8], &body.part(OVEN, ink(GREY, random)));
    let mut x = left + 3.0;
    while x < right - 2.0 {
        canvas.ellipse((x, top + 3.5), (1.1, 1.1), &Brush::new(STOVE, ink(RED, random)));
        x += 4.0;
    }
    canvas.rectangle([left, top - 1.2, right, top + 0.8], &Brush::new(STOVE, ink(BLACK, random)));
}

/// A rug on the floor.
pub(super) fn rug(canvas: &mut Canvas, random: &mut Random, at: (f32, f32), half: (f32, f32)) {
    let color = random.pick(&CLOTH);
    let brush = cloth(Brush::new(RUG, ink(color, random)), color, 5.0, 0.7, random);
    if random.chance(0.5) {
        canvas.ellipse(at, half, &brush);
    } else {
        let ((x, y), (a, b)) = (at, half);
        canvas
            .polygon(&[(x - a * 0.9, y - b), (x + a * 0.9, y - b), (x + a * 1.1, y + b), (x - a * 1.1, y + b)], &brush);
    }
}
