if header :matches "subject" ["[list] hello world","grüße","spaces*","*urgent?*"] { discard;
}
