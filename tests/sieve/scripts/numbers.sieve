if size :over 1K { discard;
} if size :under 1000M { keep;
}
