//! Numbers that are the same for ever: SplitMix64 (Steele, Lea, Flood 2014), and Zipf's law over it.
//!
//! A generator of one's own, since crates change theirs from version to version, and the recorded
//! figures need the same bytes.

/// A stream of numbers that a seed fixes.
#[derive(Clone, Debug)]
pub struct Random {
    state: u64,
}

impl Random {
    /// The stream of this seed.
    pub fn new(seed: u64) -> Random {
        Random { state: seed }
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`; 0 if that is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.number()) * u128::from(bound)) >> 64) as u64
    }

    /// True this many times in 10,000.
    pub fn chance(&mut self, of_10_000: u64) -> bool {
        self.below(10_000) < of_10_000
    }

    /// One of `from`, each as likely; `from` is not empty.
    #[expect(clippy::indexing_slicing, reason = "the index is below the length")]
    pub fn pick_ref<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.index(from.len())]
    }

    /// The same for what is copied.
    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        *self.pick_ref(from)
    }

    /// An index below `count`; 0 if that is 0.
    #[expect(clippy::cast_possible_truncation, reason = "what is below a usize is one")]
    pub fn index(&mut self, count: usize) -> usize {
        self.below(count as u64) as usize
    }

    /// This many hexadecimal digits.
    pub fn hex(&mut self, digits: usize, upper: bool) -> String {
        let alphabet: &[u8; 16] = if upper { b"0123456789ABCDEF" } else { b"0123456789abcdef" };
        (0..digits).map(|_| char::from(self.pick(alphabet))).collect()
    }
}

/// Ranks of which the `k`th is drawn as often as `1 / k^1.1`.
#[derive(Debug)]
pub struct Zipf {
    /// The sum of the weights of this rank and those before it.
    cumulative: Vec<u64>,
}

impl Zipf {
    /// Over this many ranks, at least one.
    pub fn new(ranks: usize) -> Zipf {
        let mut sum = 0;
        let weights = (1..=ranks.max(1)).map(weight);
        let cumulative = weights.map(|weight| {
            sum += weight;
            sum
        });
        Zipf { cumulative: cumulative.collect() }
    }

    /// A rank, from 0.
    pub fn draw(&self, random: &mut Random) -> usize {
        let at = random.below(self.cumulative.last().copied().unwrap_or_default());
        self.cumulative.partition_point(|&sum| sum <= at)
    }
}

/// `2^48 / rank^1.1`, rounded down. The tenth root is Newton's, since `powf` may differ in its last
/// bit between systems, while IEEE 754 fixes the four operations.
#[expect(clippy::cast_precision_loss, reason = "ranks are far below 2^52")]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 2^48")]
fn weight(rank: usize) -> u64 {
    const STEPS: usize = 100;
    let rank = rank as f64;
    let mut root = 4.0_f64;
    for _ in 0..STEPS {
        let square = root * root;
        let fourth = square * square;
        root = (9.0 * root + rank / (fourth * fourth * root)) / 10.0;
    }
    ((1_u64 << 48) as f64 / (rank * root)) as u64
}
