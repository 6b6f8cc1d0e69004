//! Images annotated as Broden's are: a scene, sometimes a texture, noisy colours, objects, and parts inside objects.

use std::ops::Range;

use compexp_core::Result;
use compexp_core::probe::{Annotation, AnnotationSource, Grid};
use rayon::prelude::*;

use super::random::{Random, Zipf};

/// The side of an annotation grid.
pub(crate) const SIDE: usize = 112;
const GRID: Grid = Grid { height: SIDE, width: SIDE };

/// The ids of each kind of concept.
pub(crate) const SCENES: Range<u32> = 0..300;
pub(crate) const COLORS: Range<u32> = 300..311;
pub(crate) const OBJECTS: Range<u32> = 311..841;
pub(crate) const PARTS: Range<u32> = 841..1068;
pub(crate) const TEXTURES: Range<u32> = 1068..1108;

const N_LAYERS: usize = 3;

/// How often each of an object's colours is drawn; beyond the end it is any colour.
const OWN: [usize; 16] = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 3];

/// A generator of annotated images: an image is painted whenever it is asked for.
pub(crate) struct Images {
    n: usize,
    scenes: Zipf,
    objects: Zipf,
    textures: Zipf,
    /// For every scene the objects that belong to it, the most common first.
    scene_objects: Vec<Vec<u32>>,
    in_scene: Zipf,
    /// For every object its parts; most have none.
    object_parts: Vec<Vec<u32>>,
    /// For every object its usual colours.
    object_colors: Vec<[u32; 4]>,
}

/// One painted object.
struct Instance {
    object: u32,
    colors: [u32; 4],
}

/// A rectangle, or the ellipse in it.
#[derive(Clone, Copy)]
struct Shape {
    x: [usize; 2],
    y: [usize; 2],
    ellipse: bool,
}

impl Shape {
    /// A shape of a size within the bounds, as shares of the rectangle it lies in.
    fn inside(outer: Self, least: f32, most: f32, random: &mut Random) -> Self {
        let mut side = |[low, high]: [usize; 2]| {
            let share = least + (most - least) * random.unit() * random.unit();
            let length = (((high - low) as f32 * share) as usize).max(2).min(high - low);
            let first = low + random.below(high - low - length + 1);
            [first, first + length]
        };
        Self { x: side(outer.x), y: side(outer.y), ellipse: random.chance(0.5) }
    }

    fn for_each_run(self, mut run: impl FnMut(Range<usize>)) {
        let middle = |[low, high]: [usize; 2]| ((low + high) as f32 / 2.0, (high - low) as f32 / 2.0);
        let ((cx, rx), (cy, ry)) = (middle(self.x), middle(self.y));
        for y in self.y[0]..self.y[1] {
            let mut x = self.x;
            if self.ellipse {
                let half = rx * (1.0 - ((y as f32 + 0.5 - cy) / ry).powi(2)).max(0.0).sqrt();
                x = [(cx - half).round() as usize, (cx + half).round() as usize];
            }
            run(y * SIDE + x[0]..y * SIDE + x[1]);
        }
    }
}

impl Images {
    /// A probe set of `n` images.
    pub(crate) fn new(n: usize) -> Self {
        let random = &mut Random::new(1, 0);
        let objects = Zipf::new(OBJECTS.len(), 4.0, 1.1);
        let mut object_parts = vec![Vec::new(); OBJECTS.len()];
        for part in PARTS {
            object_parts[random.below(60)].push(part);
        }
        let color = Zipf::new(COLORS.len(), 2.0, 1.0);
        Self {
            n,
            scenes: Zipf::new(SCENES.len(), 3.0, 1.1),
            textures: Zipf::new(TEXTURES.len(), 1.0, 1.0),
            scene_objects: SCENES.map(|_| (0..30).map(|_| objects.draw(random) as u32).collect()).collect(),
            in_scene: Zipf::new(30, 3.0, 0.8),
            object_colors: OBJECTS.map(|_| [(); 4].map(|()| color.draw(random) as u32)).collect(),
            objects,
            object_parts,
        }
    }

    fn instance(&self, object: u32, random: &mut Random) -> Instance {
        let mut colors = self.object_colors[object as usize];
        if random.chance(0.5) {
            colors[random.below(4)] = random.below(COLORS.len()) as u32;
        }
        Instance { object, colors }
    }
}

impl AnnotationSource for Images {
    fn n_examples(&self) -> usize {
        self.n
    }

    fn grid(&self) -> Grid {
        GRID
    }

    fn annotate(&self, example: usize, into: &mut Annotation) -> Result<()> {
        let random = &mut Random::new(2, example as u64);
        let scene = self.scenes.draw(random);
        into.scalars.push(SCENES.start + scene as u32);
        if random.chance(0.25) {
            into.scalars.push(TEXTURES.start + self.textures.draw(random) as u32);
        }
        into.layers.resize(N_LAYERS * GRID.positions(), Annotation::NONE);
        let (colors, rest) = into.layers.split_at_mut(GRID.positions());
        let (objects, parts) = rest.split_at_mut(GRID.positions());

        // The number of the instance at every position; 0 is what no object covers.
        let whole = Shape { x: [0, SIDE], y: [0, SIDE], ellipse: false };
        let mut instances = vec![Instance { object: u32::MAX, colors: [(); 4].map(|()| random.below(11) as u32) }];
        let mut at = vec![0u8; GRID.positions()];
        let bands = 1 + random.below(3);
        for band in 0..bands {
            let object = self.scene_objects[scene][band];
            let shape = Shape { y: [SIDE * band / bands, SIDE * (band + 1) / bands], ..whole };
            shape.for_each_run(|run| at[run].fill(instances.len() as u8));
            instances.push(self.instance(object, random));
        }
        for _ in 0..7 + random.below(15) {
            let object = if random.chance(0.75) {
                self.scene_objects[scene][self.in_scene.draw(random)]
            } else {
                self.objects.draw(random) as u32
            };
            let shape = Shape::inside(whole, 0.05, 0.8, random);
            let number = instances.len() as u8;
            shape.for_each_run(|run| at[run].fill(number));
            instances.push(self.instance(object, random));
            let own = &self.object_parts[object as usize];
            if !own.is_empty() && random.chance(0.5) {
                for _ in 0..1 + random.below(3) {
                    let part = own[random.below(own.len())];
                    Shape::inside(shape, 0.1, 0.7, random).for_each_run(|run| {
                        for (p, i) in parts[run.clone()].iter_mut().zip(&at[run]) {
                            if *i == number {
                                *p = part;
                            }
                        }
                    });
                }
            }
        }
        for p in 0..GRID.positions() {
            let instance = &instances[usize::from(at[p])];
            objects[p] = instance.object.saturating_add(OBJECTS.start);
            // What was painted over has lost its parts.
            if parts[p] != Annotation::NONE && !self.has_part(instance.object, parts[p]) {
                parts[p] = Annotation::NONE;
            }
            // Colours run on from the left or from above; where they do not, the object has one of its own.
            let draw = random.next();
            let (choice, color) = (draw >> 56, (draw & 0xffff) as usize % 17);
            colors[p] = if choice < 150 && p % SIDE > 0 {
                colors[p - 1]
            } else if choice < 243 && p >= SIDE {
                colors[p - SIDE]
            } else {
                let any = (draw >> 16 & 0xffff) as u32 % COLORS.len() as u32;
                COLORS.start + OWN.get(color).map_or(any, |own| instance.colors[*own])
            };
        }
        Ok(())
    }
}

impl Images {
    fn has_part(&self, object: u32, part: u32) -> bool {
        self.object_parts.get(object as usize).is_some_and(|own| own.contains(&part))
    }
}

/// Annotations made beforehand and kept in memory, two bytes an entry.
pub(crate) struct Stored {
    layers: Vec<Vec<u16>>,
    scalars: Vec<Vec<u32>>,
}

impl Stored {
    /// Paints all images of a generator.
    pub(crate) fn new(images: &Images) -> Self {
        let paint = |example| {
            let mut annotation = Annotation::default();
            images.annotate(example, &mut annotation).expect("painting cannot fail");
            (annotation.layers.iter().map(|l| *l as u16).collect(), annotation.scalars)
        };
        let (layers, scalars) = (0..images.n).into_par_iter().map(paint).unzip();
        Self { layers, scalars }
    }
}

impl AnnotationSource for Stored {
    fn n_examples(&self) -> usize {
        self.layers.len()
    }

    fn grid(&self) -> Grid {
        GRID
    }

    fn annotate(&self, example: usize, into: &mut Annotation) -> Result<()> {
        let wide = |l: &u16| if *l == u16::MAX { Annotation::NONE } else { u32::from(*l) };
        into.layers.extend(self.layers[example].iter().map(wide));
        into.scalars.extend(&self.scalars[example]);
        Ok(())
    }
}
