if header :matches "x-caffeine" "C?H" { discard;
}
