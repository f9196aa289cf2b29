require ["fileinto"];
fileinto "Work";
