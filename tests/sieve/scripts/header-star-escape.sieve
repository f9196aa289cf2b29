if header :matches "subject" "*\\*urgent\\*\\?" { discard;
}
