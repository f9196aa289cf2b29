if header :comparator "i;octet" :matches "Subject" ["Hello","[list] Hello World","*Hello*"] { discard;
}
