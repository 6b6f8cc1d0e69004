//! The labels of painted scenes: names and numbers.

/// The kinds of scenes, in the order of their class numbers.
pub const SCENES: [&str; 12] = [
    "bedroom",
    "living_room",
    "kitchen",
    "beach",
    "harbor",
    "street",
    "village",
    "forest",
    "mountain",
    "farm",
    "desert",
    "ski_slope",
];

/// The categories, in the order of `category.csv`.
pub(super) const CATEGORIES: [&str; 5] = ["color", "object", "part", "scene", "texture"];

macro_rules! labels {
    ($($name:ident $number:literal $text:literal),+ $(,)?) => {
        $(pub(super) const $name: u8 = $number;)+
        /// Every label's number and name, ascending from 1.
        pub(super) const LABELS: &[(u8, &str)] = &[$(($number, $text)),+];
    };
}

labels! {
    BLACK 1 "black-c", BLUE 2 "blue-c", BROWN 3 "brown-c", GREY 4 "grey-c", GREEN 5 "green-c", ORANGE 6 "orange-c",
    PINK 7 "pink-c", PURPLE 8 "purple-c", RED 9 "red-c", WHITE 10 "white-c", YELLOW 11 "yellow-c",
    // The scenes, in the order of `SCENES`.
    FIRST_SCENE 12 "bedroom-s", _LIVING_ROOM 13 "living_room-s", _KITCHEN 14 "kitchen-s", _BEACH 15 "beach-s",
    _HARBOR 16 "harbor-s", _STREET 17 "street-s", _VILLAGE 18 "village-s", _FOREST 19 "forest-s",
    _MOUNTAIN 20 "mountain-s", _FARM 21 "farm-s", _DESERT 22 "desert-s", _SKI_SLOPE 23 "ski_slope-s",
    STRIPED 24 "striped", DOTTED 25 "dotted", CHEQUERED 26 "chequered", ZIGZAGGED 27 "zigzagged",
    SKY 28 "sky", CLOUD 29 "cloud", SUN 30 "sun", MOON 31 "moon", MOUNTAIN 32 "mountain", HILL 33 "hill",
    WATER 34 "water", SAND 35 "sand", GRASS 36 "grass", FIELD 37 "field", SNOW 38 "snow", ROAD 39 "road",
    PATH 40 "path", PIER 41 "pier", TREE 42 "tree", PINE 43 "pine", PALM 44 "palm", CACTUS 45 "cactus",
    FLOWER 46 "flower", ROCK 47 "rock", HOUSE 48 "house", BUILDING 49 "building", LIGHTHOUSE 50 "lighthouse",
    FENCE 51 "fence", STREETLIGHT 52 "streetlight", CAR 53 "car", BOAT 54 "boat", BALLOON 55 "balloon",
    UMBRELLA 56 "umbrella", PERSON 57 "person", COW 58 "cow", SNOWMAN 59 "snowman", WALL 60 "wall",
    FLOOR 61 "floor", WINDOW 62 "window", PICTURE 63 "picture", LAMP 64 "lamp", BED 65 "bed", SOFA 66 "sofa",
    TABLE 67 "table", CHAIR 68 "chair", CUPBOARD 69 "cupboard", STOVE 70 "stove", RUG 71 "rug", PLANT 72 "plant",
    TRUNK 73 "trunk", CROWN 74 "crown", SNOWCAP 75 "snowcap", ROOF 76 "roof", DOOR 77 "door", CHIMNEY 78 "chimney",
    WHEEL 79 "wheel", HULL 80 "hull", SAIL 81 "sail", LANTERN 82 "lantern", BASKET 83 "basket", HEAD 84 "head",
    LEG 85 "leg", TORSO 86 "torso", HAT 87 "hat", PILLOW 88 "pillow", HEADBOARD 89 "headboard", CUSHION 90 "cushion",
    BACK 91 "back", SHADE 92 "shade", POT 93 "pot", FRAME 94 "frame", PANE 95 "pane", OVEN 96 "oven",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_numbered_in_order_and_named_once() {
        let mut names = std::collections::BTreeSet::new();
        for (at, (number, name)) in LABELS.iter().enumerate() {
            assert_eq!(usize::from(*number), at + 1, "{name}");
            assert!(names.insert(name), "{name} again");
        }
        for (class, scene) in SCENES.iter().enumerate() {
            assert_eq!(LABELS[usize::from(FIRST_SCENE) - 1 + class].1, format!("{scene}-s"));
        }
    }
}
