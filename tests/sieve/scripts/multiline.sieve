if header :contains "subject" text:
hello
.
{ discard;
} if header :contains "subject" ["a","hello"] { stop;
}
