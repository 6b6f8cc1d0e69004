//! Circles in a graph.

use std::collections::VecDeque;

/// The shortest circle in each part of a graph in which everything leads to everything, with the size of that part. A
/// circle starts with its smallest node, and its last leads to the first. `edges` are pairs of nodes below `count`.
pub(crate) fn circles(count: usize, edges: &[(usize, usize)]) -> Vec<(Vec<usize>, usize)> {
    let mut next = vec![Vec::new(); count];
    for &(from, to) in edges {
        next[from].push(to);
    }
    // The shortest circle through each node, which is as long as the way back to it.
    let through: Vec<Option<Vec<usize>>> = (0..count).map(|node| way_back(&next, node)).collect();
    let mut found = Vec::new();
    let mut seen = vec![false; count];
    for node in 0..count {
        if seen[node] || through[node].is_none() {
            continue;
        }
        let ahead = reached(&next, node);
        let part: Vec<usize> = (0..count).filter(|&other| ahead[other] && reached(&next, other)[node]).collect();
        part.iter().for_each(|&member| seen[member] = true);
        let shortest = part.iter().filter_map(|&member| through[member].clone()).min_by_key(Vec::len);
        if let Some(mut circle) = shortest {
            let first = (0..circle.len()).min_by_key(|&at| circle[at]).unwrap_or(0);
            circle.rotate_left(first);
            found.push((circle, part.len()));
        }
    }
    found
}

/// The shortest way from a node to itself, without its end.
fn way_back(next: &[Vec<usize>], start: usize) -> Option<Vec<usize>> {
    let mut before = vec![None; next.len()];
    let mut queue = VecDeque::from([start]);
    while let Some(node) = queue.pop_front() {
        for &to in &next[node] {
            if to == start {
                let mut way = vec![node];
                while let Some(earlier) = before[way[way.len() - 1]] {
                    way.push(earlier);
                }
                way.reverse();
                return Some(way);
            }
            if before[to].is_none() {
                before[to] = Some(node);
                queue.push_back(to);
            }
        }
    }
    None
}

/// Which nodes a node leads to.
fn reached(next: &[Vec<usize>], start: usize) -> Vec<bool> {
    let mut reached = vec![false; next.len()];
    let mut stack = vec![start];
    while let Some(node) = stack.pop() {
        for &to in &next[node] {
            if !reached[to] {
                reached[to] = true;
                stack.push(to);
            }
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_gives_its_shortest_circle() {
        // 0 -> 1 -> 2 -> 3 -> 1, and 2 -> 1; 4 <-> 5; 6 -> 4 is on none.
        let edges = [(0, 1), (1, 2), (2, 3), (3, 1), (2, 1), (5, 4), (4, 5), (6, 4)];
        assert_eq!(circles(7, &edges), [(vec![1, 2], 3), (vec![4, 5], 2)]);
    }

    #[test]
    fn a_graph_that_runs_one_way_has_none() {
        assert_eq!(circles(4, &[(0, 1), (0, 2), (1, 3), (2, 3), (0, 3)]), []);
        assert_eq!(circles(0, &[]), []);
    }

    #[test]
    fn a_circle_starts_with_its_smallest_node() {
        assert_eq!(circles(4, &[(3, 2), (2, 0), (0, 3)]), [(vec![0, 3, 2], 3)]);
    }
}
