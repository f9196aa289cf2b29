require ["encoded-character"];
if header :contains "subject" "${hex:48 65}llo" { discard;
}
