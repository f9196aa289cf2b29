//! A sorted map whose clones share what they have in common: a change copies the list of chunks and one chunk, so that
//! it costs about the same with ten entries and with many thousand.

use std::borrow::Borrow;
use std::sync::Arc;

/// Entries of a chunk at which it is split.
const CHUNK_ENTRIES_MAX: usize = 128;

/// A sorted map. Cloning shares it.
#[derive(Debug, Clone)]
pub(super) struct SharedMap<K, V> {
    /// None is empty.
    chunks: Arc<Vec<Chunk<K, V>>>,
}

/// Entries that follow each other, by key.
type Chunk<K, V> = Arc<Vec<(K, V)>>;

impl<K, V> Default for SharedMap<K, V> {
    fn default() -> Self {
        SharedMap { chunks: Arc::default() }
    }
}

impl<K: Ord + Clone, V: Clone> SharedMap<K, V> {
    /// Where a key is or would be: the chunk, and the place in it or `Err` of it.
    fn place<Q: Ord + ?Sized>(&self, key: &Q) -> (usize, Result<usize, usize>)
    where
        K: Borrow<Q>,
    {
        let starts_behind = |chunk: &Chunk<K, V>| chunk.first().is_none_or(|(first, _)| first.borrow() <= key);
        let chunk = self.chunks.partition_point(starts_behind).saturating_sub(1);
        let entries = self.chunks.get(chunk).map_or(&[] as &[(K, V)], |chunk| chunk.as_slice());
        (chunk, entries.binary_search_by(|(known, _)| known.borrow().cmp(key)))
    }

    /// The value of a key.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let (chunk, place) = self.place(key);
        self.chunks.get(chunk)?.get(place.ok()?).map(|(_, value)| value)
    }

    /// Sets the value of a key; gives the one it had.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        let (at, place) = self.place(&key);
        let chunks = Arc::make_mut(&mut self.chunks);
        let Some(chunk) = chunks.get_mut(at) else {
            chunks.push(Arc::new(vec![(key, value)]));
            return None;
        };
        let entries = Arc::make_mut(chunk);
        match place {
            Ok(place) => entries.get_mut(place).map(|(_, old)| std::mem::replace(old, value)),
            Err(place) => {
                entries.insert(place, (key, value));
                if entries.len() >= CHUNK_ENTRIES_MAX {
                    let upper = entries.split_off(CHUNK_ENTRIES_MAX / 2);
                    chunks.insert(at + 1, Arc::new(upper));
                }
                None
            }
        }
    }

    /// Removes a key; gives the value it had.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let (at, Ok(place)) = self.place(key) else { return None };
        let chunks = Arc::make_mut(&mut self.chunks);
        let entries = Arc::make_mut(chunks.get_mut(at)?);
        let (_, value) = entries.remove(place);
        if entries.is_empty() {
            chunks.remove(at);
        }
        Some(value)
    }

    /// Entries from a key on, by key.
    #[cfg(test)]
    pub fn range_from(&self, key: K) -> impl Iterator<Item = (&K, &V)> {
        let (chunk, place) = self.place(&key);
        let (Ok(place) | Err(place)) = place;
        let entries = self.chunks.get(chunk..).unwrap_or_default().iter().flat_map(|chunk| chunk.iter());
        entries.skip(place).map(|(key, value)| (key, value))
    }

    /// All entries, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.chunks.iter().flat_map(|chunk| chunk.iter()).map(|(key, value)| (key, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn it_agrees_with_a_tree_and_clones_stay_as_they_were() {
        let (mut map, mut tree) = (SharedMap::default(), BTreeMap::new());
        let (mut kept, mut seed) = (Vec::new(), 1u64);
        for n in 0..20_000u64 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let key = (seed >> 33) % 900;
            if seed >> 60 < 7 {
                assert_eq!(map.remove(&key), tree.remove(&key));
            } else {
                assert_eq!(map.insert(key, n), tree.insert(key, n));
            }
            assert_eq!(map.get(&key), tree.get(&key));
            assert!(map.range_from(key).take(200).eq(tree.range(key..).take(200)));
            if n % 1_000 == 0 {
                kept.push((map.clone(), tree.clone()));
            }
        }
        for (map, tree) in kept {
            assert!(map.iter().eq(tree.iter()));
        }
        tree.keys().for_each(|key| assert!(map.remove(key).is_some()));
        assert!(map.iter().next().is_none() && map.get(&1).is_none());
    }

    #[test]
    fn a_change_copies_one_chunk() {
        let mut map = SharedMap::default();
        for n in 0..15_000u32 {
            map.insert(n, n);
        }
        let before = map.clone();
        map.insert(7_000, 1);
        let copied = map.chunks.iter().zip(before.chunks.iter()).filter(|(a, b)| !Arc::ptr_eq(a, b)).count();
        assert_eq!(copied, 1);
        assert!(map.chunks.iter().all(|chunk| chunk.len() < CHUNK_ENTRIES_MAX));
    }
}
