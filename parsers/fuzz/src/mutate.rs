//! Inputs made of others: pieces of a corpus, changed here and there. The same seed and the same
//! corpus give the same inputs.

/// Longest input, in bytes; libFuzzer's inputs have the same bound.
pub const INPUT_BYTES_MAX: usize = 4096;

/// One input in so many is made of several, so that long ones are among them.
const LONG_ONE_IN: usize = 64;

/// Most changes to one input.
const CHANGES_MAX: usize = 6;

/// What grammars turn on.
const SPECIAL: &[u8] =
    b"\"'\\\n\r\t \0-+=,;:#/.[]{}()<>$_~0189aAfFxXnu\x7f\x80\xbf\xc3\xe2\xfe\xff";

/// SplitMix64 (Steele, Lea, Flood, 2014).
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// Numbers that `seed` alone decides.
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Less than `end`; 0 where that is 0.
    fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.next()) * end as u128) >> 64) as usize
    }

    /// From 1 to `most`, small ones more often.
    fn length(&mut self, most: usize) -> usize {
        let bits = self.below(most.max(1).ilog2() as usize + 1);
        1 + self.below((2 << bits).min(most))
    }

    fn byte(&mut self) -> u8 {
        match self.below(2) {
            0 => SPECIAL[self.below(SPECIAL.len())],
            _ => self.next() as u8,
        }
    }

    /// A place of `text` and behind it a few of its bytes.
    fn range(&mut self, text: &[u8]) -> std::ops::Range<usize> {
        let start = self.below(text.len());
        let length = self.length(text.len().max(1));
        start..(start + length).min(text.len())
    }
}

/// Makes the next input of `corpus`, in `input`. `spare` is room to work in.
pub fn mutate(random: &mut Random, corpus: &[Vec<u8>], input: &mut Vec<u8>, spare: &mut Vec<u8>) {
    input.clear();
    let pieces = if random.below(LONG_ONE_IN) == 0 { 1 + random.below(16) } else { 1 };
    for _ in 0..pieces {
        input.extend(any(random, corpus));
    }
    for _ in 0..random.length(CHANGES_MAX) {
        change(random, corpus, input, spare);
    }
    input.truncate(INPUT_BYTES_MAX);
}

/// Of a few the shortest, mostly: it says as much as the others and takes less time.
fn any<'a>(random: &mut Random, corpus: &'a [Vec<u8>]) -> &'a [u8] {
    let few = 1 + random.below(8);
    let drawn = (0..few).filter_map(|_| corpus.get(random.below(corpus.len())));
    drawn.min_by_key(|entry| entry.len()).map_or(b"", |entry| entry)
}

fn change(random: &mut Random, corpus: &[Vec<u8>], input: &mut Vec<u8>, spare: &mut Vec<u8>) {
    let range = random.range(input);
    let at = range.start;
    spare.clear();
    match random.below(10) {
        0 => input[range].fill_with(|| random.byte()),
        1 => input[range].iter_mut().take(1).for_each(|byte| *byte ^= 1 << random.below(8)),
        2 => input[range].iter_mut().take(1).for_each(|byte| *byte = byte.wrapping_add(1)),
        3 => {
            let digit = |byte: &&mut u8| byte.is_ascii_digit();
            let found = input[at..].iter_mut().find(digit);
            found.into_iter().for_each(|byte| *byte = b'0' + random.below(10) as u8);
        }
        4 => drop(input.drain(range)),
        5 => {
            spare.extend(&input[range]);
            let to = random.below(input.len() + 1);
            input.splice(to..to, spare.iter().copied());
        }
        6 => {
            let other = any(random, corpus);
            let piece = &other[random.range(other)];
            input.splice(at..at, piece.iter().copied());
        }
        7 => {
            let other = any(random, corpus);
            let piece = &other[random.range(other)];
            input.splice(range, piece.iter().copied());
        }
        8 => {
            // The end of another, from the same byte on where it has it.
            let other = any(random, corpus);
            let byte = input.get(at).copied().unwrap_or_default();
            let from = other.iter().position(|one| *one == byte).unwrap_or(at.min(other.len()));
            input.truncate(at);
            input.extend(&other[from..]);
        }
        _ => input.insert(at, random.byte()),
    }
}
