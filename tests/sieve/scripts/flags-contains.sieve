require ["imap4flags"];
setflag "NonJunk gnus-forward";
if hasflag :contains ["label","gnus"] { discard;
}
