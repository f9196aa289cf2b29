redirect "c@d.org";
