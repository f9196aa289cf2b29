require ["copy"];
redirect :copy "c@d.org";
redirect :copy "C@D.org";
