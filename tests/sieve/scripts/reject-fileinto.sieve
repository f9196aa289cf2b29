require ["reject","fileinto"];
reject "no";
fileinto "a";
