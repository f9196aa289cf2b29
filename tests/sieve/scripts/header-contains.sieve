if header :contains "subject" ["[list] hello world","grüße","spaces*","*urgent?*"] { discard;
}
