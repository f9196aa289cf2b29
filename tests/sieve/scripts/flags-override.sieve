require ["imap4flags","fileinto"];
setflag "a";
fileinto :flags "b" "one";
fileinto "two";
setflag "";
keep;
