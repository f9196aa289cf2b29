if header :comparator "i;octet" :is "Subject" ["Hello","[list] Hello World","*Hello*"] { discard;
}
