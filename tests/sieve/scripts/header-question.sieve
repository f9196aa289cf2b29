if header :matches "x-caffeine" "C?H??N?O?" { discard;
}
