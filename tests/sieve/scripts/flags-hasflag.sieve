require ["imap4flags","fileinto"];
setflag ["a","b"];
if hasflag "B" { fileinto "yes";
} if not hasflag "c" { keep;
}
