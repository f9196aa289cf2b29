if header :comparator "i;octet" :contains "Subject" ["Hello","[list] Hello World","*Hello*"] { discard;
}
