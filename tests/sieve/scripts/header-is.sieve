if header :is "subject" ["[list] hello world","grüße","spaces*","*urgent?*"] { discard;
}
